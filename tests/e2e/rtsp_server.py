#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small RTSP server for tests: what is pushed to a path (ANNOUNCE, RECORD; over TCP) goes to all who play it (DESCRIBE, PLAY; over TCP or
UDP). When the pusher goes, its players are disconnected. Usage: rtsp_server.py ADDRESS PORT, or as a module: RtspServer()."""
import queue
import re
import socket
import sys
import threading
import time

BACKLOG = 4000  # packets that a player may be behind; older ones are dropped


class Stream:
    """What one pusher sends."""

    def __init__(self, description):
        self.description, self.players, self.reports = description, [], {}

    def send(self, track, is_report, data):
        if is_report and data[1] == 200:  # a sender's report: who comes later needs it, too, to hold sound and picture together
            self.reports[track] = data
        for player in list(self.players):
            player.send(track, is_report, data)


class Player:
    """Where packets go: into the connection, or to two ports for each track."""

    def __init__(self, connection, lock):
        self.connection, self.lock, self.tracks, self.packets = connection, lock, {}, queue.Queue(BACKLOG)
        self.udp = []

    def send(self, *packet):
        while True:
            try:
                return self.packets.put_nowait(packet)
            except queue.Full:
                self.packets.get_nowait()

    def run(self):
        while True:
            packet = self.packets.get()
            if not packet:
                return hang_up(self.connection, socket.SHUT_WR)  # what is on its way arrives; the player ends the talk
            track, is_report, data = packet
            where = self.tracks.get(track)
            try:
                if isinstance(where, int):
                    with self.lock:
                        self.connection.sendall(b"$" + bytes([where + is_report]) + len(data).to_bytes(2, "big") + data)
                elif where:
                    where[is_report].send(data)
            except ConnectionRefusedError:
                pass  # of a UDP port that is not read yet
            except OSError:
                return

    def stop(self):
        """When all is sent."""
        self.send()


class Talk:
    """One connection."""

    def __init__(self, server, connection):
        self.server, self.connection, self.lock = server, connection, threading.Lock()
        self.data, self.stream, self.path, self.channels, self.player = b"", None, None, {}, None

    def fill(self, n):
        while len(self.data) < n:
            more = self.connection.recv(65536)
            if not more:
                raise EOFError
            self.data += more

    def take(self, n):
        self.fill(n)
        piece, self.data = self.data[:n], self.data[n:]
        return piece

    def run(self):
        try:
            while True:
                self.fill(1)
                if self.data[:1] == b"$":
                    _, channel, high, low = self.take(4)
                    packet = self.take(high << 8 | low)
                    if self.stream and channel & ~1 in self.channels:
                        self.stream.send(self.channels[channel & ~1], channel & 1, packet)
                else:
                    while b"\r\n\r\n" not in self.data:
                        self.fill(len(self.data) + 1)
                    head, _, self.data = self.data.partition(b"\r\n\r\n")
                    self.answer(head.decode())
        except (EOFError, OSError, ValueError):
            pass
        finally:
            self.end()

    def end(self):
        if self.stream:
            self.server.forget(self.path, self.stream)
        if self.player:
            self.player.stop()
            for end in self.player.udp:
                end.close()
            for stream in list(self.server.streams.values()):
                if self.player in stream.players:
                    stream.players.remove(self.player)
        close(self.connection)

    def reply(self, number, headers=(), body=b"", code="200 OK"):
        lines = [f"RTSP/1.0 {code}", f"CSeq: {number}", "Session: 12345678", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with self.lock:
            self.connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def answer(self, head):
        first, *rest = head.split("\r\n")
        method, url, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        number, body = headers.get("cseq", "0"), self.take(int(headers.get("content-length", 0)))
        path = re.sub(r"/(streamid|trackID)=\d+$", "", re.sub(r"^rtsps?://[^/]*", "", url)).rstrip("/")
        track = int((re.search(r"=(\d+)$", url) or [0, 0])[1])
        if method == "ANNOUNCE":
            self.path, self.stream = path, Stream(body)
            self.reply(number)
        elif method == "SETUP":
            self.set_up(number, track, headers["transport"])
        elif method == "RECORD":
            self.server.streams[self.path] = self.stream
            self.reply(number)
        elif method == "DESCRIBE":
            stream = self.server.find(path)
            if not stream:
                return self.reply(number, code="404 Not Found")
            self.reply(number, ("Content-Type: application/sdp", f"Content-Base: {url}/"), stream.description)
        elif method == "PLAY":
            stream = self.server.find(path)
            if not stream:
                return self.reply(number, code="404 Not Found")
            self.reply(number, ("Range: npt=now-",))
            for at, report in stream.reports.items():
                self.player.send(at, True, report)
            threading.Thread(target=self.player.run, daemon=True).start()
            stream.players.append(self.player)
        elif method == "TEARDOWN":
            self.reply(number)
            raise EOFError
        else:
            self.reply(number, ("Public: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, TEARDOWN, GET_PARAMETER",))

    def set_up(self, number, track, transport):
        interleaved = re.search(r"interleaved=(\d+)", transport)
        ports = re.search(r"client_port=(\d+)-(\d+)", transport)
        if "record" in transport.lower() and interleaved:
            self.channels[int(interleaved[1])] = track
        elif self.stream or not (interleaved or ports):
            return self.reply(number, code="461 Unsupported Transport")
        else:
            self.player = self.player or Player(self.connection, self.lock)
            if interleaved:
                self.player.tracks[track] = int(interleaved[1])
            else:
                ends = pair(self.connection.getsockname()[0])
                for end, port in zip(ends, (int(ports[1]), int(ports[2]))):
                    end.connect((self.connection.getpeername()[0], port))
                self.player.tracks[track] = ends
                self.player.udp += ends
                transport += ";server_port={}-{}".format(*(end.getsockname()[1] for end in ends))
        self.reply(number, (f"Transport: {transport}",))


def pair(address):
    """Two UDP sockets with ports that follow one another, the first even."""
    while True:
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        first.bind((address, 0))
        port = first.getsockname()[1]
        try:
            if port % 2 == 0:
                second.bind((address, port + 1))
                return first, second
        except OSError:
            pass
        first.close()
        second.close()


def hang_up(connection, how):
    try:
        connection.shutdown(how)
    except OSError:
        pass


def close(connection):
    hang_up(connection, socket.SHUT_RDWR)
    connection.close()


class RtspServer:
    def __init__(self, address="127.0.0.1", port=0):
        self.streams = {}
        self.talks = []
        self.socket = socket.create_server((address, port))
        self.address = "{}:{}".format(*self.socket.getsockname())
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path):
        return f"rtsp://{self.address}/{path}"

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = Talk(self, connection)
            self.talks.append(talk)
            threading.Thread(target=talk.run, daemon=True).start()

    def find(self, path):
        """A pusher may be about to come."""
        for _ in range(400):
            if path in self.streams:
                return self.streams[path]
            time.sleep(0.05)
        return None

    def forget(self, path, stream):
        if self.streams.get(path) is stream:
            del self.streams[path]
        for player in list(stream.players):
            player.stop()

    def close(self):
        """As if it were killed: all connections break."""
        self.socket.close()
        for talk in self.talks:
            close(talk.connection)


if __name__ == "__main__":
    RtspServer(sys.argv[1], int(sys.argv[2]))
    print("listening", flush=True)
    while True:
        time.sleep(3600)
