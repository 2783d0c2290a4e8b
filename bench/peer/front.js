/*
 * HTTP in front of the reference's core, with nothing but Node's own server: the path for events
 * that wait, and queries. What the reference's own server adds (Express, logs) is not here, so it
 * is faster than that; whole.js starts an engine with its own.
 *
 * Prints one line of JSON when it listens: the port, and the channel of a pico with a ruleset.
 */
'use strict'

const fs = require('fs')
const http = require('http')

const { Engine } = require('./engine')

/** Attributes as the reference takes them: the query string, then a body of JSON. */
async function given (request, url) {
  const found = Object.fromEntries(url.searchParams)
  let body = ''
  for await (const part of request) body += part
  return Object.assign(found, body ? JSON.parse(body) : {}, { _headers: request.headers })
}

async function answer (engine, request) {
  const url = new URL(request.url, 'http://localhost')
  const [, , eci, kind, one, name] = url.pathname.split('/')
  const values = await given(request, url)
  if (kind === 'query') return engine.core.query({ eci, rid: one, name, args: values })
  const data = { attrs: values }
  return engine.core.eventWait({ eci, domain: one, name, data, time: Date.now() })
}

async function main () {
  const engine = await Engine.open()
  await engine.create(1)
  await engine.install(fs.readFileSync(process.argv[2], 'utf8'), [0])
  const server = http.createServer(async (request, response) => {
    let text
    try {
      text = JSON.stringify(await answer(engine, request))
    } catch (problem) {
      text = JSON.stringify({ error: String(problem) })
    }
    response.setHeader('content-type', 'application/json; charset=utf-8')
    response.end(text)
  })
  server.listen(0, '127.0.0.1', () => {
    const path = '/c/' + engine.channels[0] + '/event-wait/'
    process.stdout.write(JSON.stringify({ port: server.address().port, path }) + '\n')
  })
}

main()
