# Copyright (c) 2026, the updraft.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes connections on to where they were going, and after a signal USR1 what comes back so much later: `delay.py PORT MILLISECONDS`.

The signal USR2 ends the delay. Connections reach it by a rule of the firewall. Its own ones have to be left alone by that rule.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import sys

SO_ORIGINAL_DST = 80
BLOCK_BYTES = 65536


class Delay:
    """How much later what comes back is passed on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def be(self, seconds: float) -> None:
        """From now on so much."""
        self.seconds = seconds


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: Delay) -> None:
    """Send on what is read, each block so much later, in order."""
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        while block := await reader.read(BLOCK_BYTES):
            blocks.put_nowait((loop.time() + delay.seconds, block))
        blocks.put_nowait((loop.time() + delay.seconds, b""))

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
    delay, none = Delay(), Delay()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, delay.be, seconds)
    loop.add_signal_handler(signal.SIGUSR2, delay.be, 0.0)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        original = writer.get_extra_info("socket").getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
        wanted, address = struct.unpack("!2xH4s8x", original)
        try:
            far_reader, far_writer = await asyncio.open_connection(socket.inet_ntoa(address), wanted)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, far_writer, none), pass_on(far_reader, writer, delay), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1000))
