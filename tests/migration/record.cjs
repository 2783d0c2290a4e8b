/* Records what the tests read: a home that the reference engine wrote, with rulesets of our own.
 *
 * In a scratch folder: npm install pico-engine-core@1.3.0 krl-compiler krl-stdlib leveldown@6
 * classic-level charwise cuid, then: NODE_PATH=node_modules node record.cjs RULESETS HOME
 *
 * It leaves HOME/db and HOME/rulesets-db, which are packed into home.zip, and HOME.json, the dump
 * with what the reference answered. Identifiers come from a counter, so only times differ. */
process.env.TZ = 'UTC'
const fs = require('fs')
const crypto = require('crypto')
const { PicoEngineCore, RulesetRegistryLoaderMem } = require('pico-engine-core')
const { makeKrlLogger } = require('krl-stdlib')
const compile = require('krl-compiler')
const leveldown = require('leveldown')
const { ClassicLevel } = require('classic-level')
const charwise = require('charwise')

const [rulesets, home] = process.argv.slice(2)
const url = (rid) => `https://rulesets.example/krl/${rid}.krl`
const everything = (key) => ({ allow: [{ [key]: '*', name: '*' }], deny: [] })
let count = 0

async function open (name) {
  const encodings = { keyEncoding: charwise, valueEncoding: 'json' }
  const level = new ClassicLevel(`${home}/${name}`, encodings)
  await level.open()
  return level
}

/* The registry keeps every text that it compiled, as the engine's own does. */
function loader (registry) {
  return RulesetRegistryLoaderMem(async (from) => {
    const krl = fs.readFileSync(`${rulesets}/${from.split('/').pop()}`, 'utf8')
    const { rid, warnings } = compile(krl)
    const hash = crypto.createHash('sha256').update(krl).digest('hex')
    const compiler = { version: '1.5.0', warnings }
    await registry.put(['url', from], { url: from, krl, hash, flushed: new Date(), rid, compiler })
    return krl
  })
}

async function start (registry, db) {
  const core = new PicoEngineCore({
    leveldown: db,
    rsRegLoader: loader(registry),
    log: makeKrlLogger(() => {}),
    getPicoLogs: async () => [],
    genID: () => 'id' + String(count++).padStart(3, '0'),
    base_url: 'http://localhost:3000',
    modules: {}
  })
  await core.start()
  return core
}

async function live (core) {
  const send = (eci, domain, name, attrs = {}) =>
    core.eventWait({ eci, domain, name, data: { attrs }, time: 0 })
  const install = async (pico, rid, config = {}) =>
    pico.install((await core.rsRegistry.load(url(rid))).ruleset, { url: url(rid), config })
  const channel = (pico, tags, events, queries) => pico.newChannel({
    tags,
    eventPolicy: events || everything('domain'),
    queryPolicy: queries || everything('rid')
  })
  const child = async (pico) => {
    const eci = await pico.newPico({ rulesets: [] })
    return core.picoFramework.picos.find((item) => item.channels[eci])
  }

  const root = core.picoFramework.rootPico
  for (const rid of ['io.picolabs.wrangler', 'test.words', 'test.kids']) await install(root, rid)
  await install(root, 'test.notes', { limit: 5, words: ['a', 'b'] })
  const open = await channel(root, ['Main Channel', 'x'])
  await channel(root, ['narrow'],
    { allow: [{ domain: 'notes', name: 'keep' }], deny: [{ domain: 'notes', name: 'plan' }] },
    { allow: [{ rid: 'test.notes', name: '*' }], deny: [{ rid: 'test.notes', name: 'log' }] })
  await send(open.id, 'wrangler', 'name_changed', { name: 'Pico' })
  await send(open.id, 'kids', 'count')
  const notes = [['z', 1], ['a', null], ['m', { deep: [1, { two: 2 }] }], ['7', 'seven'], ['3', 3]]
  for (const [key, value] of notes) await send(open.id, 'notes', 'keep', { key, value })
  for (const name of ['many', 'plan', 'oddities']) await send(open.id, 'notes', name)
  await send(open.id, 'words', 'default', { name: 'all' })

  const kid = await child(root)
  await child(root)
  for (const rid of ['io.picolabs.wrangler', 'test.words', 'test.notes']) await install(kid, rid)
  const kids = await channel(kid, ['kid'])
  await send(kids.id, 'wrangler', 'name_changed', { name: 'Kid' })
  await send(kids.id, 'notes', 'keep', { key: 'k', value: 'v' })
  await send(kids.id, 'notes', 'plan')
  const grandchild = await child(kid)
  await install(grandchild, 'test.words')
  const last = await channel(grandchild, ['grand'])
  await send(last.id, 'words', 'default', { name: 'grand' })

  const asked = [
    [open.id, 'test.notes', 'notes'], [open.id, 'test.notes', 'log'],
    [open.id, 'test.notes', 'big', { k: 'key 50' }],
    [open.id, 'test.notes', 'hello', { name: 'Ada' }], [open.id, 'test.notes', 'hello'],
    [kids.id, 'test.notes', 'notes'], [last.id, 'test.words', 'greet']
  ]
  const answers = []
  for (const [eci, rid, name, args = {}] of asked) {
    answers.push({ eci, rid, name, args, answer: await core.query({ eci, rid, name, args }) })
  }
  return answers
}

async function main () {
  fs.rmSync(home, { recursive: true, force: true })
  fs.mkdirSync(home)
  const registry = await open('rulesets-db')
  const level = leveldown(`${home}/db`)
  const answers = await live(await start(registry, level))
  await new Promise((resolve) => setTimeout(resolve, 300))
  await new Promise((resolve) => level.close(resolve))
  await registry.close()
  fs.cpSync(home, `${home}-copy`, { recursive: true })
  const dump = { answers }
  for (const name of ['db', 'rulesets-db']) {
    const copy = new ClassicLevel(`${home}-copy/${name}`,
      { keyEncoding: charwise, valueEncoding: 'json' })
    dump[name] = await copy.iterator().all()
    await copy.close()
  }
  fs.rmSync(`${home}-copy`, { recursive: true })
  fs.writeFileSync(`${home}.json`, JSON.stringify(dump, null, 1) + '\n')
  process.exit(0)
}

main().catch((problem) => { console.error(problem); process.exit(1) })
