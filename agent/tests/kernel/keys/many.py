"""Twenty connections at once, server and clients in one thread: argument 1 is a folder with key and cert, where log is written."""
import asyncio
import ssl
import sys

folder = sys.argv[1]


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/cert", f"{folder}/key")
    context.keylog_filename = f"{folder}/log"
    return context


def client_context(old):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def answer(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def ask(old):
    reader, writer = await asyncio.open_connection("127.0.0.1", 4433, ssl=client_context(old))
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 4433, ssl=server_context())
    # Who looks for libraries has found this process's.
    await asyncio.sleep(1)
    await asyncio.gather(*(ask(number % 2 == 0) for number in range(20)))
    server.close()


asyncio.run(main())
