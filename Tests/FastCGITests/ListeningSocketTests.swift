import CSystem
import Glibc
import Platform
import Testing

@testable import FastCGI

@Suite("Listening socket") final class ListeningSocketTests {
    private let directory: String

    init() throws {
        var template = Array("/tmp/fastcgi-listen-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in ["s", "g", "file"] { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    @Test("an address is a path, host:port or [v6]:port")
    func addresses() {
        #expect(ListenAddress("/run/x/fcgi.sock") == .unix(path: "/run/x/fcgi.sock"))
        #expect(ListenAddress("localhost:9000") == .tcp(host: "localhost", port: 9000))
        #expect(ListenAddress("127.0.0.1:9000") == .tcp(host: "127.0.0.1", port: 9000))
        #expect(ListenAddress("[::1]:9000") == .tcp(host: "::1", port: 9000))
        #expect(ListenAddress("[::1]:9000")?.description == "[::1]:9000")
        for wrong in [
            "", "fcgi.sock", ":9000", "host:", "host:0", "host:65536", "host:+1", "::1:9000", "[::1:9000", "[[a]:9000", "[a]]:9000",
            "a]:9000",
            "a b:1", "/run/",
        ] {
            #expect(ListenAddress(wrong) == nil, "\(wrong)")
        }
    }

    @Test("the socket's file gets its mode, whatever the umask")
    func mode() throws {
        let socket = try ListeningSocket.bind(.unix(path: directory + "/s"), mode: 0o660, group: nil)
        defer { socket.close() }
        var status = stat()
        #expect(stat(directory + "/s", &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o660)
        #expect(ListeningSocket.inherited(socket.descriptor)?.descriptor == socket.descriptor)
    }

    @Test("a stale socket file is replaced, one in use is refused, and what is no socket is left alone")
    func replacing() throws {
        let address = ListenAddress.unix(path: directory + "/s")
        let first = try ListeningSocket.bind(address, mode: 0o600, group: nil)
        #expect(throws: ListenError.inUse(address)) { try ListeningSocket.bind(address, mode: 0o600, group: nil) }
        first.close()
        let second = try ListeningSocket.bind(address, mode: 0o600, group: nil)
        second.close()
        let file = directory + "/file"
        close(open(file, O_CREAT | O_WRONLY, 0o600))
        #expect(throws: ListenError.notASocket(file)) { try ListeningSocket.bind(.unix(path: file), mode: 0o600, group: nil) }
        #expect(access(file, F_OK) == 0)
    }

    @Test("errors name what is wrong")
    func errors() {
        let long = "/" + String(repeating: "x", count: 120)
        #expect(throws: ListenError.pathTooLong(long)) { try ListeningSocket.bind(.unix(path: long), mode: 0o600, group: nil) }
        let path = directory + "/g"
        #expect(throws: ListenError.unknownGroup("no-such-group")) {
            try ListeningSocket.bind(.unix(path: path), mode: 0o600, group: "no-such-group")
        }
        let nowhere = ListenAddress.unix(path: directory + "/no/s")
        #expect(throws: ListenError.system(call: "bind", on: nowhere, errno: ENOENT)) {
            try ListeningSocket.bind(nowhere, mode: 0o600, group: nil)
        }
    }

    @Test("TCP is served as well")
    func tcp() throws {
        let socket = try ListeningSocket.bind(.tcp(host: "127.0.0.1", port: 0), mode: 0, group: nil)
        let loop = try EventLoop(sockets: [socket], threads: 1, handler: Script(), log: .init(label: "tcp"))
        let runner = try WorkerThread.start(named: "tcp") { loop.run() }
        var name = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &name) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket.descriptor, $0, &size) }
        }
        let client = try Client(port: UInt16(bigEndian: name.sin_port))
        let body = [UInt8](repeating: 3, count: 1 << 20)
        #expect(try client.exchange([("PATH_INFO", "/big")], body: body).body == body)
        #expect(try client.get("/large").body.count == 3_000_000)
        #expect(try client.get("/x").text == "none")
        loop.stop(within: .seconds(3))
        runner.join()
        socket.close()
    }

    /// An answer's text over TCP; nil where the connection is closed without one.
    private func ask(_ socket: ListeningSocket) throws -> String? {
        guard case .tcp(_, let port) = try #require(socket.address) else { return nil }
        let client = try Client(port: port)
        return try? client.exchange([("PATH_INFO", "/tcp")], body: []).text
    }

    @Test("one loop serves several sockets, tells which requests came by TCP, and closes who may not connect by it")
    func several() throws {
        let tcp = try (0..<2).map { _ in try ListeningSocket.bind(.tcp(host: "127.0.0.1", port: 0), mode: 0, group: nil, isPrivate: true) }
        let path = directory + "/s"
        let unix = try ListeningSocket.bind(.unix(path: path), mode: 0o600, group: nil)
        for (peers, expected) in [("127.0.0.1", "by TCP"), ("127.0.0.2", nil)] as [(String, String?)] {
            let peers = [try #require(AddressRange("10.0.0.0/8")), try #require(AddressRange(peers))]
            let loop = try EventLoop(
                sockets: [tcp[0], unix, tcp[1]], peers: peers, threads: 2, handler: Script(), log: .init(label: "several"))
            let runner = try WorkerThread.start(named: "several") { loop.run() }
            for socket in tcp { #expect(try ask(socket) == expected) }
            #expect(try Client(path: path).get("/tcp").text == "not by TCP")
            loop.stop(within: .seconds(3))
            runner.join()
        }
        (tcp + [unix]).forEach { $0.close() }
    }

    @Test("beside another address what is no private one is not listened on, whatever name it has")
    func privateAlone() {
        for host in ["0.0.0.0", "::"] {
            let address = ListenAddress.tcp(host: host, port: 0)
            #expect(throws: ListenError.notPrivate(address)) {
                try ListeningSocket.bind(address, mode: 0, group: nil, isPrivate: true)
            }
        }
        #expect(throws: Never.self) {
            try ListeningSocket.bind(.tcp(host: "localhost", port: 0), mode: 0, group: nil, isPrivate: true).close()
        }
    }

    @Test("what does not listen is not inherited")
    func notListening() {
        var pair: [CInt] = [-1, -1]
        #expect(socketpair(AF_UNIX, csys_stream_socket, 0, &pair) == 0)
        defer { pair.forEach { _ = close($0) } }
        #expect(ListeningSocket.inherited(pair[0]) == nil)
        #expect(ListeningSocket.inherited(-1) == nil)
    }
}
