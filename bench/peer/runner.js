/*
 * The reference's side of a bench: one JSON request a line in, one JSON answer a line out.
 *
 * bench/sides/worker.py answers the same requests for picomesh, in the same words.
 */
'use strict'

const crypto = require('crypto')
const fs = require('fs')
const readline = require('readline')

const { Engine, compile, find } = require('./engine')

let engine

/** JSON with sorted keys and without spaces: equal bytes for equal values, here and in Python. */
function canonical (value) {
  if (value === undefined) return 'null'
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return '[' + value.map(canonical).join(',') + ']'
  const keys = Object.keys(value).sort()
  return '{' + keys.map((key) => JSON.stringify(key) + ':' + canonical(value[key])).join(',') + '}'
}

const told = (call, answer) =>
  call[0] === 'query' ? answer : answer.directives.map((item) => [item.name, item.options])

function cpuSeconds () {
  const used = process.cpuUsage()
  return (used.user + used.system) / 1e6
}

/** Resident memory of this process, and the part that is its own and not a file's. */
function memory () {
  const text = fs.readFileSync('/proc/self/status', 'utf8')
  const kib = (name) => Number(new RegExp(name + ':\\s+(\\d+)').exec(text)[1])
  return { resident_bytes: 1024 * kib('VmRSS'), own_bytes: 1024 * kib('RssAnon') }
}

/** Calls in turn, over and over, some of them outstanding at a time. */
async function run ({ calls, ms, outstanding, start }) {
  let started = 0
  let done = 0
  const cpu = cpuSeconds()
  const begun = process.hrtime.bigint()
  const end = begun + BigInt(Math.round(ms * 1e6))
  const work = async () => {
    do {
      await engine.call(calls[(start + started++) % calls.length])
      done++
    } while (process.hrtime.bigint() < end)
  }
  await Promise.all(Array.from({ length: outstanding }, work))
  const wall = Number(process.hrtime.bigint() - begun) / 1e9
  return { done, wall_s: wall, cpu_s: cpuSeconds() - cpu }
}

async function check ({ calls }) {
  const hash = crypto.createHash('sha256')
  for (const call of calls) hash.update(canonical(told(call, await engine.call(call))) + '\n')
  return { hash: hash.digest('hex') }
}

/** How long the compiler needs for a text, which it has not seen. */
function compileAll ({ sources }) {
  return {
    each_s: sources.map((source) => {
      const begun = process.hrtime.bigint()
      compile(source)
      return Number(process.hrtime.bigint() - begun) / 1e9
    })
  }
}

async function timed (work) {
  const cpu = cpuSeconds()
  const begun = process.hrtime.bigint()
  await work()
  return { wall_s: Number(process.hrtime.bigint() - begun) / 1e9, cpu_s: cpuSeconds() - cpu }
}

const REQUESTS = {
  open: async () => { engine = await Engine.open(); return {} },
  create: ({ count }) => timed(() => engine.create(count)),
  install: ({ source, picos }) => timed(() => engine.install(source, picos)),
  run,
  check,
  compile: async (request) => compileAll(request),
  memory: async () => { if (global.gc) global.gc(); return memory() },
  versions: async () => ({
    node: process.version,
    'pico-engine-core': find('pico-engine-core/package.json').version,
    'krl-compiler': find('krl-compiler/package.json').version
  })
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    let answer
    try {
      answer = await REQUESTS[request.do](request)
    } catch (problem) {
      answer = { problem: String((problem && problem.stack) || problem) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

main()
