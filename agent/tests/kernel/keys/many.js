// As many.py, for an OpenSSL that is part of the program.
const { appendFileSync, readFileSync } = require('fs');
const tls = require('tls');

const folder = process.argv[2];
const server = tls.createServer({ key: readFileSync(`${folder}/key`), cert: readFileSync(`${folder}/cert`) }, (socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
});
server.on('keylog', (line) => appendFileSync(`${folder}/log`, line));

function ask(number, done) {
  const options = { host: '127.0.0.1', port: 4433, rejectUnauthorized: false };
  const socket = tls.connect(number % 2 ? options : { ...options, maxVersion: 'TLSv1.2' }, () => socket.write('hello'));
  socket.on('data', () => socket.end());
  socket.on('close', done);
}

server.listen(4433, '127.0.0.1', () => setTimeout(() => {
  let open = 20;
  for (let number = 0; number < 20; number += 1) {
    ask(number, () => { open -= 1; if (open === 0) process.exit(0); });
  }
}, 1000));
