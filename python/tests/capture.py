"""What passes an interface, as anybody between two hosts would see it."""

import socket
import struct
import threading

ETH_P_ALL, SO_RCVBUFFORCE, PACKET_STATISTICS, SOL_PACKET = 3, 33, 6, 263
PACKET_OUTGOING = 4


class Capture:
    """Records packets from within `with`, of an interface of the host whose thread makes it."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 29)
        self.socket.bind((interface, 0))
        self.socket.settimeout(0.1)
        # Loopback shows each packet twice.
        self._passed_over = PACKET_OUTGOING if interface == "lo" else -1
        self._packets = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._record)

    def _record(self):
        while True:
            try:
                packet, address = self.socket.recvfrom(1 << 17)
            except TimeoutError:
                if self._ends.is_set():
                    return
                continue
            if address[2] != self._passed_over:
                self._packets.append(packet)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._thread.join()
        statistics = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self.lost = struct.unpack("II", statistics)[1]
        self.socket.close()

    def streams(self):
        """{(from, port, to, port): bytes} of each direction of each connection, in order, whatever was sent twice."""
        segments = {}
        for packet in self._packets:
            if packet[12:14] != b"\x08\x00" or packet[23] != socket.IPPROTO_TCP:
                continue
            ip = 14
            tcp = ip + 4 * (packet[ip] & 15)
            source, sink, sequence = struct.unpack_from("!HHI", packet, tcp)
            data = packet[tcp + 4 * (packet[tcp + 12] >> 4) : ip + struct.unpack_from("!H", packet, ip + 2)[0]]
            key = (packet[26:30], source, packet[30:34], sink)
            if packet[tcp + 13] & 2:  # SYN: where the stream begins
                segments[key] = (sequence + 1, {})
            elif data and key in segments:
                first, of_stream = segments[key]
                at = (sequence - first) % 2**32
                if len(data) > len(of_stream.get(at, b"")):
                    of_stream[at] = data
        return {key: _joined(of_stream) for key, (_, of_stream) in segments.items()}


def _joined(segments):
    end = max((at + len(data) for at, data in segments.items()), default=0)
    stream = bytearray(end)
    for at, data in segments.items():
        stream[at : at + len(data)] = data
    return bytes(stream)
