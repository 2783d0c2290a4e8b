/*
 * The last whole pico-engine in the npm registry (0.48.1) as its own command starts it, logs off.
 *
 * Its database is LevelDB through a native module that today's Node cannot build; one in memory
 * stands in for it, which is no slower. PICOMESH_REFERENCE_WHOLE names the folder whose
 * node_modules has the packages of whole/package.json.
 *
 * Prints one line of JSON when it listens: the port, and the channel of a pico with a ruleset.
 */
'use strict'

const fs = require('fs')
const Module = require('module')
const os = require('os')
const path = require('path')

const FOLDER = path.resolve(process.env.PICOMESH_REFERENCE_WHOLE)
const find = (name) => require(require.resolve(name, { paths: [FOLDER] }))

const load = Module._load
Module._load = function (name, ...rest) {
  if (name !== 'leveldown') return load.call(this, name, ...rest)
  return find('memdown')
}
console.log = () => {} // the engine prints a greeting

async function main () {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'whole-'))
  process.on('exit', () => fs.rmSync(home, { recursive: true, force: true }))
  process.on('SIGTERM', () => process.exit(0))
  const port = Number(process.argv[3])
  const host = 'http://localhost:' + port
  const engine = await find('pico-engine')({ home, port, host, no_logging: true })
  const { rid } = await engine.registerRuleset(fs.readFileSync(process.argv[2], 'utf8'), {})
  const eci = await engine.getRootECI()
  const { channel } = await engine.dbDump()
  await engine.installRuleset(channel[eci].pico_id, rid)
  process.stdout.write(JSON.stringify({ port, path: '/sky/event/' + eci + '/none/' }) + '\n')
}

main()
