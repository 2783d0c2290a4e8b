// Drives the reference engine's core from npm: one request as a line of JSON, one answer each.
//
//   node reference.cjs FOLDER     FOLDER has node_modules with pico-engine-core
//
// {"rulesets": {url: text}, "install": [url]}      a root pico with these; answers {"eci"}
// {"event": {"eci", "domain", "name", "attrs"}}    waits for it; answers {"directives"} or {"error"}
// {"query": {"eci", "rid", "name", "args"}}        answers {"value"} or {"error"}
// {"settle": true}                                 until no pico has anything to do
// {"restart": true}                                the same database, another engine
'use strict'
const path = require('path')
const readline = require('readline')

const home = path.resolve(process.argv[2])
const from = { paths: [home, path.join(home, 'node_modules', 'pico-engine-core')] }
const load = (name) => require(require.resolve(name, from))
const { PicoEngineCore, RulesetRegistryLoaderMem } = load('pico-engine-core')
const { makeKrlLogger } = load('krl-stdlib')
const memory = load('memdown')() // what it stores, kept over restarts
const everything = {
  tags: ['allow-all'],
  eventPolicy: { allow: [{ domain: '*', name: '*' }], deny: [] },
  queryPolicy: { allow: [{ rid: '*', name: '*' }], deny: [] }
}
const texts = {}
const logs = []
let core = null

async function open () {
  core = new PicoEngineCore({
    leveldown: memory,
    rsRegLoader: RulesetRegistryLoaderMem(async (url) => {
      if (texts[url] === undefined) throw new Error('Got a statusCode=404 for: ' + url)
      return texts[url]
    }),
    log: makeKrlLogger((line) => logs.push(line)),
    async getPicoLogs () { return [] },
    base_url: 'http://localhost:3000'
  })
  await core.start()
}

async function begin ({ rulesets, install }) {
  Object.assign(texts, rulesets)
  await open()
  const root = core.picoFramework.rootPico
  for (const url of install) {
    const { ruleset } = await core.rsRegistry.load(url)
    await root.install(ruleset, { url, config: {} })
  }
  return { eci: (await root.newChannel(everything)).id }
}

async function settle () {
  for (let idle = 0; idle < 10;) {
    const isBusy = core.picoFramework.picos.some(
      (pico) => pico.queue.isWorking || pico.queue.txnLog.length > 0)
    idle = isBusy ? 0 : idle + 1
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {}
}

async function answer (asked) {
  if (asked.install) return begin(asked)
  if (asked.settle) return settle()
  if (asked.restart) {
    await settle()
    await open()
    return {}
  }
  if (asked.texts) return Object.assign(texts, asked.texts)
  if (asked.event) {
    const { eci, domain, name, attrs } = asked.event
    return core.eventWait({ eci, domain, name, data: { attrs }, time: 0 })
  }
  const value = await core.query(asked.query)
  return { value: value === undefined ? null : value }
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    logs.length = 0
    let told
    try {
      told = await answer(JSON.parse(line))
    } catch (problem) {
      told = { error: String(problem) }
    }
    process.stdout.write(JSON.stringify({ ...told, logs: process.env.LOGS ? logs : undefined }) + '\n')
  }
}
main()
