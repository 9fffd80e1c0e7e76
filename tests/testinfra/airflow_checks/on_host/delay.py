# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes connections on to where they were going, and what comes back so much later: `delay.py PORT MILLISECONDS`.

Connections reach it by a rule of the firewall. Its own ones have to be left alone by that rule.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

SO_ORIGINAL_DST = 80
BLOCK_BYTES = 65536


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Send on what is read, each block so much later, in order."""
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        while block := await reader.read(BLOCK_BYTES):
            blocks.put_nowait((loop.time() + seconds, block))
        blocks.put_nowait((loop.time() + seconds, b""))

    reading = asyncio.ensure_future(read())
    try:
        while True:
            due, block = await blocks.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not block:
                break
            writer.write(block)
            await writer.drain()
    except OSError:
        pass
    finally:
        reading.cancel()
        writer.close()


async def serve(port: int, seconds: float) -> None:
    """Serve for ever."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        original = writer.get_extra_info("socket").getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
        wanted, address = struct.unpack("!2xH4s8x", original)
        try:
            far_reader, far_writer = await asyncio.open_connection(socket.inet_ntoa(address), wanted)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, far_writer, 0.0), pass_on(far_reader, writer, seconds), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1000))
