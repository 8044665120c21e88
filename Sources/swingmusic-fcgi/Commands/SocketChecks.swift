import FastCGI
import Gateway
import Glibc
import Platform

/// The socket: its folder, its group, whether nginx may open it, and who answers there.
struct SocketCheck {
    let settings: Settings
    let address: ListenAddress
    let running: RunningProgram?
    let viewer: Viewer
    /// False where another may be set in what this user may not read.
    let isAddressKnown: Bool

    /// - Parameters:
    ///   - answer: what was heard at the address.
    ///   - nginxUser: given, where it cannot be told.
    func findings(_ answer: HealthCheck.Answer, nginxUser: HostUser?) -> [Finding] {
        if !isAddressKnown, case .failure(.nobodyListens) = answer {
            return group() + [.unseen("socket", "where the program listens is told by what user \(viewer.name) may not read")]
        }
        let health = HealthCheck.finding(answer, address, whenNobodyListens: .warning, viewer)
        guard case .unix(let path) = address else { return group() + [health] }
        return group() + self.socket(path) + nginx(path, nginxUser) + [health]
    }

    private func group() -> [Finding] {
        guard let group = settings.socketGroup, getgrnam(group) == nil, gid_t(group) == nil else { return [] }
        return [
            .error(
                "SWINGMUSIC_FCGI_SOCKET_GROUP", "there is no group '\(group)'",
                remedy: "name the group of nginx's workers: www-data on Debian, nginx elsewhere")
        ]
    }

    private func socket(_ path: String) -> [Finding] {
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFSOCK else {
                return [.error("socket", "\(path) is a file, not a socket", remedy: "move it away, or name another SWINGMUSIC_FCGI_LISTEN")]
            }
            return [mode(path, status.st_mode & 0o777)]
        }
        if errno == EACCES { return [.unseen("socket", "\(FolderState.parent(of: path)) is closed to user \(viewer.name)")] }
        return [folder(path)]
    }

    private func mode(_ path: String, _ mode: mode_t) -> Finding {
        let said =
            "\(path), mode \(String(mode, radix: 8))" + (running?.hasInheritedSocket == true ? ", made by who started the program" : "")
        if mode & 0o002 != 0 {
            return .warning(
                "socket", "\(said): every user of the host may talk to it",
                remedy:
                    "SWINGMUSIC_FCGI_SOCKET_MODE=0660 and SWINGMUSIC_FCGI_SOCKET_GROUP for nginx's group (SocketMode= and SocketGroup= of a socket unit)"
            )
        }
        return .ok("socket", said)
    }

    /// There is no socket: can there be one?
    private func folder(_ path: String) -> Finding {
        let folder = FolderState(FolderState.parent(of: path))
        if Viewer.hasUnit("swingmusic-fcgi.socket"), address == Settings.usualListen {
            return .warning(
                "socket", "\(path) is not there: the socket unit does not run",
                remedy: "start it: sudo systemctl enable --now swingmusic-fcgi.socket swingmusic-fcgi.service")
        }
        let user = viewer.owner ?? HostUser(geteuid())
        switch folder.kind {
        case .hidden: return .unseen("socket", "\(folder.path) is closed to user \(viewer.name)")
        case .missing, .notAFolder:
            return .error(
                "SWINGMUSIC_FCGI_LISTEN", "the folder \(folder.path) does not exist",
                remedy:
                    "make it: sudo install -d -m 0755 -o \(user.name) \(folder.path); below /run it must be made at every start (RuntimeDirectory= in systemd)"
            )
        case .folder:
            guard user.id == geteuid() ? folder.isUsable : user.may([.write, .search], folder.path) != false else {
                return .error(
                    "SWINGMUSIC_FCGI_LISTEN", "user \(user.name) may not make a socket in \(folder.path)",
                    remedy: "chown it to the user of 'serve': sudo chown \(user.name) \(folder.path)")
            }
            return .warning("socket", "\(path) is not there: the program does not run", remedy: "start 'serve'")
        }
    }
}

// MARK: nginx

extension SocketCheck {
    /// Connecting needs the right to write to the socket and to search each folder before it (unix(7)).
    private func nginx(_ path: String, _ given: HostUser?) -> [Finding] {
        let users = given.map { [$0] } ?? NginxUser.found
        // Of several nginxes on a host one is ours.
        let ours = users.first { $0.closedFolder(before: path) == nil && $0.may([.write], path) == true }
        guard let user = ours ?? users.first, access(path, F_OK) == 0 else { return [] }
        if let folder = user.closedFolder(before: path) {
            return [
                .error(
                    "nginx", "its user \(user.name) may not enter \(folder), and so not open \(path)",
                    remedy: "chmod o+x \(folder)")
            ]
        }
        guard let mayOpen = user.may([.write], path) else {
            return [.unseen("nginx", "whether \(user.name) may open \(path) cannot be told")]
        }
        if mayOpen { return [.ok("nginx", "its user \(user.name) may open the socket")] }
        return [
            .error(
                "nginx", "its user \(user.name) may not open \(path)\(owners(path))",
                remedy: running?.hasInheritedSocket == true
                    ? "SocketGroup= of the socket unit must be a group of \(user.name), with SocketMode=0660"
                    : "set SWINGMUSIC_FCGI_SOCKET_GROUP to a group of \(user.name), with SWINGMUSIC_FCGI_SOCKET_MODE=0660")
        ]
    }

    private func owners(_ path: String) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { return "" }
        let group = getgrgid(status.st_gid).map { String(cString: $0.pointee.gr_name) } ?? String(status.st_gid)
        return ", which is \(HostUser(status.st_uid).name):\(group), mode \(String(status.st_mode & 0o777, radix: 8))"
    }

    /// As whom nginx's workers run on this host.
    private enum NginxUser {
        /// Those of running workers, else what nginx.conf says, else the distribution's; none without an nginx.
        static var found: [HostUser] {
            let users = running
            if !users.isEmpty { return users }
            let usual = hasNginx ? HostUser(named: "www-data") ?? HostUser(named: "nginx") : nil
            return [configured ?? usual].compactMap(\.self)
        }

        private static var hasNginx: Bool {
            let places: [String] = ["/usr/sbin/nginx", "/etc/nginx/nginx.conf"]
            return places.contains { access($0, F_OK) == 0 }
        }

        /// Those of all processes that call themselves nginx's workers, as setproctitle lets them.
        private static var running: [HostUser] {
            var found: Set<uid_t> = []
            for name in Files.names(in: "/proc") where name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
                var status = stat()
                guard Files.read("/proc/\(name)/cmdline", atMost: 1 << 20)?.starts(with: "nginx: worker".utf8) == true,
                    stat("/proc/\(name)", &status) == 0
                else { continue }
                found.insert(status.st_uid)
            }
            return found.sorted().map { HostUser($0) }
        }

        private static var configured: HostUser? {
            let text = String(decoding: Files.read("/etc/nginx/nginx.conf", atMost: 1 << 20) ?? [], as: UTF8.self)
            let words = text.split(whereSeparator: \.isNewline).map { $0.split { $0 == " " || $0 == "\t" || $0 == ";" } }
            return words.first { $0.first == "user" && $0.count > 1 }.flatMap { HostUser(named: String($0[1])) }
        }
    }
}

/// Whether the running program answers.
enum HealthCheck {
    typealias Answer = Result<Int, HealthProbe.Failure>

    static func answer(of address: ListenAddress) -> Answer {
        do throws(HealthProbe.Failure) { return .success(try HealthProbe.ask(address)) } catch { return .failure(error) }
    }

    static func healthFinding(_ answer: Answer, _ address: ListenAddress) -> Finding {
        finding(answer, address, whenNobodyListens: .error, nil)
    }

    /// - Parameter grade: a program that does not run is trouble for a health check, and none before the first start.
    static func finding(_ answer: Answer, _ address: ListenAddress, whenNobodyListens grade: Finding.Grade, _ viewer: Viewer?) -> Finding {
        switch answer {
        case .success(200): .ok("health", "\(address) answers")
        case .success(let status):
            .error(
                "health", "\(address) answers healthz with \(status)",
                remedy: "see the log of 'serve'; is something else listening there?")
        case .failure(let failure): trouble(failure, address, grade)
        }
    }

    private static func trouble(_ failure: HealthProbe.Failure, _ address: ListenAddress, _ grade: Finding.Grade) -> Finding {
        switch failure {
        case .nobodyListens(let reason):
            Finding(grade: grade, subject: "health", detail: "nobody listens at \(address): \(reason)", remedy: "start 'serve'")
        case .forbidden:
            // nginx's group may, and so may root; that this user may not is no fault of the program's.
            .unseen("health", "user \(HostUser(geteuid()).name) may not open \(address), so whether it answers is not known")
        case .silent:
            .error("health", "\(address) accepts and does not answer", remedy: "see the log of 'serve', and restart it when it hangs")
        case .closed:
            .error(
                "health", "\(address) closes without an answer",
                remedy: "name this host in SWINGMUSIC_FCGI_PEERS too; else see the log of 'serve', and SWINGMUSIC_FCGI_LISTEN")
        case .foreign:
            .error("health", "what answers at \(address) does not speak FastCGI", remedy: "correct SWINGMUSIC_FCGI_LISTEN")
        }
    }
}

/// What is opened to other hosts, and to whom.
struct NetworkCheck {
    let settings: Settings
    /// What another line is about already.
    let asked: ListenAddress

    private static let peers = SettingName.peers.rawValue

    func findings() -> [Finding] {
        let network = settings.listen.filter { !$0.isUnix }
        return network.filter { $0 != asked }.map(answers) + who(network) + named()
    }

    /// Whoever may connect is believed about who asks from where.
    private func who(_ network: [ListenAddress]) -> [Finding] {
        guard let peers = settings.peers else {
            return network.filter { !$0.isLoopback }
                .map { address in
                    .warning(
                        Self.peers, "is not set: whoever reaches \(address) is believed about who asks from where",
                        remedy: "name the hosts whose nginx connects, as in 10.0.0.2")
                }
        }
        if network.isEmpty {
            return [
                .warning(
                    Self.peers, "is set, but nothing is opened to the network",
                    remedy: "name a TCP address in SWINGMUSIC_FCGI_LISTEN, beside the socket, or leave it out")
            ]
        }
        return peers.filter { !$0.isPrivate }
            .map { range in
                .warning(
                    Self.peers, "\(range) is no private network: what is said there goes over the Internet as it is",
                    remedy: "join the hosts by a private network, such as WireGuard, and name their addresses in it")
            }
    }

    private func answers(_ address: ListenAddress) -> Finding {
        let answer = HealthCheck.answer(of: address)
        if case .failure(.closed) = answer, settings.peers != nil {
            return .ok("peers", "\(address) is open to those in \(Self.peers), and this host is none of them")
        }
        var finding = HealthCheck.finding(answer, address, whenNobodyListens: .warning, nil)
        finding.subject = "peers"
        return finding
    }

    private func named() -> [Finding] {
        guard settings.metadataAuth == .nginx, !settings.listen.contains(where: \.isUnix) else { return [] }
        return [
            .error(
                "SWINGMUSIC_FCGI_METADATA_AUTH", "is nginx, which is believed over a Unix socket alone, and none is listened on",
                remedy: "name a socket's path in SWINGMUSIC_FCGI_LISTEN")
        ]
    }
}
