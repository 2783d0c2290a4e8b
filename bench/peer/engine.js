/*
 * The reference engine's core in this process: in memory, with a logger that drops everything.
 *
 * What a bench does to an engine, and no more: picos, rulesets, events, queries. PICOMESH_REFERENCE
 * names the folder whose node_modules has the packages of package.json.
 */
'use strict'

const path = require('path')

const FOLDER = path.resolve(process.env.PICOMESH_REFERENCE || __dirname)
const find = (name) => require(require.resolve(name, { paths: [FOLDER] }))

const { PicoEngineCore } = find('pico-engine-core')
const compile = find('krl-compiler')
const { MemoryLevel } = find('memory-level')

const ALL_EVENTS = { allow: [{ domain: '*', name: '*' }], deny: [] }
const ALL_QUERIES = { allow: [{ rid: '*', name: '*' }], deny: [] }

function silentLog () {
  const log = {}
  for (const level of ['error', 'warn', 'info', 'klog', 'debug']) log[level] = () => {}
  log.child = () => log
  return log
}

/** Rulesets by URL, from texts that were given to it. */
function loaderOf (sources) {
  const loaded = new Map()
  return {
    async fetchKrl (url) { return sources.get(url) },
    async save (data) { loaded.set(data.url, data) },
    async attemptLoad (url) { return loaded.get(url) || null },
    async compileAndLoad (url, krl) {
      const { code, warnings } = compile(krl)
      const module = {}
      new Function('module', code)(module) // eslint-disable-line no-new-func
      return { ruleset: module.exports, compiler: { version: 'npm', warnings } }
    }
  }
}

class Engine {
  static async open () {
    const engine = new Engine()
    engine.sources = new Map()
    engine.core = new PicoEngineCore({
      db: new MemoryLevel({
        keyEncoding: find('charwise'), valueEncoding: find('level-json-coerce-null')
      }),
      rsRegLoader: loaderOf(engine.sources),
      log: silentLog(),
      getPicoLogs: async () => []
    })
    await engine.core.start()
    engine.picos = []
    engine.channels = []
    return engine
  }

  /** More picos, each a child of the first, which is the root. */
  async create (count) {
    const framework = this.core.picoFramework
    for (let left = count; left > 0; left--) {
      let pico = framework.rootPico
      if (this.picos.length > 0) {
        pico = framework.getPico(await framework.rootPico.newPico({ rulesets: [] }))
      }
      this.picos.push(pico)
      const policies = { eventPolicy: ALL_EVENTS, queryPolicy: ALL_QUERIES }
      this.channels.push((await pico.newChannel({ tags: ['bench'], ...policies })).id)
    }
  }

  async install (source, picos) {
    const url = 'http://bench.test/' + this.sources.size + '.krl'
    this.sources.set(url, source)
    const { ruleset } = await this.core.rsRegistry.load(url)
    for (const at of picos) await this.picos[at].install(ruleset, { url, config: {} })
  }

  /** A call is ["event", pico, domain, name, attrs] or ["query", pico, rid, name, args]. */
  call ([kind, pico, one, name, given]) {
    const eci = this.channels[pico]
    if (kind === 'query') return this.core.query({ eci, rid: one, name, args: given })
    return this.core.eventWait({ eci, domain: one, name, data: { attrs: given }, time: 0 })
  }
}

module.exports = { Engine, compile, find }
