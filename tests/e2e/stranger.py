"""Runs in a pod: asks members of a cluster whether they let it in, and prints the answers as JSON.

    python stranger.py ADDRESS…          # tls://ramet-scheduler:8786 …

In each of these ways: without encryption, over TLS without a certificate, and with the one that lies in /stranger. The
member's own certificate is not checked: who breaks in is not afraid of being deceived. "in" is the answer of a member
that talked to us; "joined" that of a scheduler that took us for a worker, and "computed" of one that worked for us.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path

from distributed import Client, Worker
from distributed.comm import connect
from distributed.security import Security

OWN = Path("/stranger")
LIMIT = 8.0  # seconds


def context(certificate: bool) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if certificate:
        made.load_cert_chain(OWN / "tls.crt", OWN / "tls.key")
    return made


class Careless(Security):
    """Shows the certificate in /stranger, and trusts anybody."""

    def get_connection_args(self, role: str) -> dict:
        return {"ssl_context": context(True), "require_encryption": True}

    def get_listen_args(self, role: str) -> dict:
        listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        listening.load_cert_chain(OWN / "tls.crt", OWN / "tls.key")
        return {"ssl_context": listening, "require_encryption": True}


async def talk(address: str, **how: object) -> str:
    comm = await connect(address, timeout=LIMIT, **how)
    try:
        await comm.write({"op": "identity", "reply": True})
        answer = await asyncio.wait_for(comm.read(), LIMIT)
        return "in" if "id" in answer else repr(answer)
    finally:
        comm.abort()


async def join(address: str) -> str:
    worker = Worker(address, name="stranger", security=Careless(), death_timeout=LIMIT, dashboard=False, nthreads=1)
    async with worker:
        return "joined"


async def compute(address: str) -> str:
    async with Client(address, security=Careless(), timeout=LIMIT, asynchronous=True) as client:
        assert await client.submit(sum, [1, 2]).result(timeout=LIMIT) == 3
        return "computed"


async def outcome(attempt) -> str:
    try:
        return await asyncio.wait_for(attempt, 3 * LIMIT)
    except Exception as error:  # whatever it is, we were not let in
        return f"refused: {type(error).__name__}: {error}"[:300]


async def main() -> None:
    attempts = {}
    for address in sys.argv[1:]:
        plain = address.replace("tls://", "tcp://")
        attempts[address, "no encryption"] = talk(plain)
        attempts[address, "no certificate"] = talk(address, ssl_context=context(False), require_encryption=True)
        attempts[address, "own certificate"] = talk(address, ssl_context=context(True), require_encryption=True)
        if address.endswith(":8786"):
            attempts[address, "join"] = join(address)
            attempts[address, "compute"] = compute(address)
    answers: dict[str, dict[str, str]] = {address: {} for address in sys.argv[1:]}
    for (address, how), answer in zip(attempts, await asyncio.gather(*map(outcome, attempts.values())), strict=True):
        answers[address][how] = answer
    print(json.dumps(answers))


asyncio.run(main())
