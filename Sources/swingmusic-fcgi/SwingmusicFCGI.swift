import ArgumentParser
import CSystem
import FastCGI
import Foundation
import Gateway
import Glibc
import GRDB
import Logging
import Platform
import Sessions
import Supervision

/// The command line. Without a word it is `serve`.
@main
struct SwingmusicFCGI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swingmusic-fcgi",
        abstract: "A FastCGI responder for swingmusic's metadata and session routes.",
        discussion: """
            'serve' reads its settings from its environment; docs/settings.md names all. The other commands take each setting from their own \
            environment, else from --env-file, else from the running 'serve', else from /etc/swingmusic-fcgi/environment.

            EXAMPLES
              swingmusic-fcgi                        serves
              sudo swingmusic-fcgi check             is it sound, and what is to do?
              sudo swingmusic-fcgi status --watch    how is it doing?
            """,
        version: ProgramVersion.full,
        subcommands: [
            Serve.self, Worker.self, Check.self, Status.self, Queue.self, CacheCommand.self, SessionsCommand.self, KeysCommand.self,
            HostsCommand.self,
            Connect.self, Disconnect.self, Backup.self,
            Restore.self,
            Warm.self,
        ])

    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            if let mistake = Mistyped(words, of: self) { throw mistake }
            var command = try parseAsRoot(words.isEmpty ? ["serve"] : SessionsRevoke.markingID(in: words))
            try command.run()
        } catch let mistake as Mistyped {
            Output.complain("Error: \(mistake)")
            Foundation.exit(ExitCode.validationFailure.rawValue)
        } catch {
            exit(withError: CommandError(error) ?? error)
        }
    }
}

/// A word that is no command where one must stand. The argument parser would only call it unexpected.
private struct Mistyped: Error, CustomStringConvertible {
    let description: String

    init?(_ words: [String], of command: any ParsableCommand.Type) {
        guard let line = Self.line(words, command) else { return nil }
        description = line
    }

    private static func line(_ words: [String], _ command: any ParsableCommand.Type) -> String? {
        let subcommands = command.configuration.subcommands
        guard let word = words.first, !word.hasPrefix("-"), !subcommands.isEmpty else { return nil }
        if let next = subcommands.first(where: { $0._commandName == word }) { return line(Array(words.dropFirst()), next) }
        guard word != "help" else { return nil }
        let distances = subcommands.map { (name: $0._commandName, distance: distance(Array(word), Array($0._commandName))) }
        let nearest = distances.min { $0.distance < $1.distance }.flatMap { $0.distance <= 1 + word.count / 4 ? $0.name : nil }
        let own = command == SwingmusicFCGI.self ? "swingmusic-fcgi" : "swingmusic-fcgi \(command._commandName)"
        return "there is no command '\(word)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "") + "\n'\(own) --help' names all commands"
    }

    /// How many letters differ, are missing or are too many; two that changed places count as one (Damerau).
    private static func distance(_ one: [Character], _ other: [Character]) -> Int {
        var rows = [Array(0...other.count)]
        for i in one.indices {
            var row = [i + 1]
            for j in other.indices {
                let change = rows[i][j] + (one[i] == other[j] ? 0 : 1)
                row.append(min(change, rows[i][j + 1] + 1, row[j] + 1))
                if i > 0, j > 0, one[i] == other[j - 1], one[i - 1] == other[j] { row[j + 1] = min(row[j + 1], rows[i - 1][j - 1] + 1) }
            }
            rows.append(row)
        }
        return rows[one.count][other.count]
    }
}

/// An error of a library's in words that say what to do.
private struct CommandError: Error, CustomStringConvertible {
    let description: String

    /// nil for what has words of its own.
    init?(_ error: any Error) {
        switch error {
        case let error as DatabaseError:
            description =
                "a database of the data folder (SWINGMUSIC_FCGI_DATA_DIR): \(error.message ?? "\(error.resultCode)"); "
                + "run this as the user of 'serve' or as root; 'swingmusic-fcgi check' looks further"
        case let error as SystemError:
            description = "\(error); run this as the user of 'serve' or as root; 'swingmusic-fcgi check' looks further"
        case let error where type(of: error) is NSError.Type: description = error.localizedDescription
        default: return nil
        }
    }
}

/// `swingmusic-fcgi serve`: binds the socket and keeps the workers running.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bind the socket, start the workers and keep them running (the default command).",
        discussion: """
            SIGTERM and SIGINT finish what is in flight and end within 10 s; SIGHUP replaces the workers one by one \
            without a failed request, with the executable as it is then. While it runs, serve.json in the data folder tells the other \
            commands its settings, without secrets.

            EXAMPLES
              SWINGMUSIC_FCGI_LISTEN=127.0.0.1:9000 swingmusic-fcgi serve
              sudo systemctl reload swingmusic-fcgi    SIGHUP, under systemd
            """)

    func run() throws {
        let startup = try Startup()
        let settings = startup.settings
        do {
            try startup.prepareDataDirectory()
            let inherited = ListeningSocket.inherited()
            let sockets = try sockets(settings, inherited, startup.log)
            if settings.metadataAuth == .nginx, !sockets.contains(where: \.isUnix) { throw StartupError.believesNobody }
            for warning in settings.warnings { startup.log.warning("\(warning)") }
            startup.log.notice(
                "serving",
                metadata: [
                    "listen": "\(Self.words(settings, inherited))", "workers": .stringConvertible(settings.workers),
                    "version": "\(ProgramVersion.text)",
                ])
            if let named = settings.swingmusicDirectory {
                startup.log.notice("SWINGMUSIC_CONFIG_DIR: \(SwingmusicFolder.look(at: named))")
            }
            let plan = WorkerPlan(
                executable: OwnExecutable.path, arguments: ["worker"], count: settings.workers, listeningDescriptor: sockets[0].descriptor,
                furtherDescriptors: sockets.dropFirst().map(\.descriptor))
            let listen = zip(sockets, settings.listen).map { $0.address ?? $1 }
            let told = tell(settings, startup.log, isInherited: inherited != nil, listen: listen)
            let supervisor = Supervisor(plan: plan, log: startup.log) {
                Self.leaveNoSocket(of: settings, inherited)
                told?.leaveNothing(in: settings.dataDirectory)
            }
            throw ExitCode(supervisor.run())
        } catch let exit as ExitCode {
            throw exit
        } catch let error as ListenError {
            startup.log.critical("\(error.words(settings))")
            if case .notPrivate = error { throw ExitCode(Startup.configurationError) }
            throw ExitCode.failure
        } catch StartupError.believesNobody {
            startup.log.critical("\(StartupError.believesNobody)")
            throw ExitCode(Startup.configurationError)
        } catch {
            startup.log.critical("\(error)")
            throw ExitCode.failure
        }
    }
}

extension Serve {
    /// Tells the commands beside it how it runs. Without that they go by other means: nothing is refused for it.
    private func tell(_ settings: Settings, _ log: Logger, isInherited: Bool, listen: [ListenAddress]) -> RunningProgram? {
        let environment = ProcessInfo.processInfo.environment
        let program = RunningProgram(environment: environment, listen: listen.words, hasInheritedSocket: isInherited)
        do throws(SystemError) { try program?.leave(in: settings.dataDirectory) } catch {
            log.warning(
                "\(settings.dataDirectory)/\(RunningProgram.fileName) cannot be written: \(error.reason); commands will not know these settings"
            )
            return nil
        }
        return program
    }

    /// The first is the inherited one, where there is one. The others are as the setting names them.
    private func sockets(
        _ settings: Settings, _ inherited: ListeningSocket?, _ log: Logger
    ) throws(ListenError) -> [ListeningSocket] {
        var sockets = inherited.map { [$0] } ?? []
        do throws(ListenError) {
            for address in settings.listen.dropFirst(sockets.count) { sockets.append(try bind(address, settings, log)) }
        } catch {
            if let first = settings.listen.first(where: \.isUnix), settings.listen.firstIndex(of: first) ?? 0 < sockets.count {
                Self.leaveNoSocket(of: settings, inherited)
            }
            throw error
        }
        return sockets
    }

    private static func leaveNoSocket(of settings: Settings, _ inherited: ListeningSocket?) {
        for case .unix(let path) in settings.listen.dropFirst(inherited == nil ? 0 : 1) { unlink(path) }
    }

    private static func words(_ settings: Settings, _ inherited: ListeningSocket?) -> String {
        guard inherited != nil else { return settings.listen.words }
        return (["inherited"] + settings.listen.dropFirst().map(\.description)).joined(separator: ",")
    }

    private func bind(_ address: ListenAddress, _ settings: Settings, _ log: Logger) throws(ListenError) -> ListeningSocket {
        let orphans = OrphanedWorkers(
            sharing: [SettingName.listen.rawValue, SettingName.dataDirectory.rawValue], in: ProcessInfo.processInfo.environment, log: log)
        return try orphans.outwait { () throws(ListenError) in
            try ListeningSocket.bind(
                address, mode: settings.socketMode, group: settings.socketGroup, isPrivate: settings.listen.count > 1)
        } isTheirFault: { error in
            if case .inUse = error { true } else { false }
        }
    }
}

extension [ListenAddress] {
    /// As the setting has them.
    var words: String { map(\.description).joined(separator: ",") }

    /// Where a question of this host's own is answered: the socket, else the first.
    var asked: ListenAddress { first(where: \.isUnix) ?? first ?? Settings.usualListen }
}

extension ListenError {
    /// With the setting that it is about, and what to do.
    fileprivate func words(_ settings: Settings) -> String {
        let listen = SettingName.listen.rawValue
        switch self {
        case .pathTooLong: return "\(listen): \(self); name a shorter path"
        case .notASocket: return "\(listen): \(self); move it away, or name another path"
        case .inUse: return "\(listen): \(self); stop that one, or name another address"
        case .notPrivate: return "\(listen): \(self); name this host's address in a private network"
        case .unknownHost: return "\(listen): \(self); name an address of this host"
        case .unknownGroup: return "\(SettingName.socketGroup.rawValue): \(self); name nginx's: www-data on Debian, nginx elsewhere"
        case .system("chown", _, let code):
            return
                "\(SettingName.socketGroup.rawValue): the socket cannot be given to group \(settings.socketGroup ?? ""): \(String(cString: strerror(code))); "
                + "the program's user must belong to that group (usermod -aG \(settings.socketGroup ?? "GROUP") USER)"
        case .system(_, .unix(let path), let code) where code == EACCES || code == ENOENT || code == EROFS:
            let folder = FolderState.parent(of: path)
            return
                "\(listen): user \(geteuid()) cannot make a socket in \(folder): \(String(cString: strerror(code))); "
                + "make the folder for it: sudo install -d -m 0755 -o USER \(folder)"
        case .system(_, .tcp, EACCES): return "\(listen): \(self); a port below 1024 is root's: name another"
        case .system: return "\(listen): \(self)"
        }
    }
}

/// `swingmusic-fcgi worker`: one worker process on descriptor 0.
struct Worker: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve on the listening socket that is descriptor 0 (serve, spawn-fcgi or systemd start it so).",
        discussion: """
            EXAMPLES
              spawn-fcgi -s /run/fcgi.sock -F 4 -- /usr/bin/swingmusic-fcgi worker
            """)

    func run() throws {
        // Before any thread starts: all of them inherit the mask, and one thread takes the signals in.
        let signals = SignalWaiter()
        // The lead wanders from thread to thread; with a heap for each, what one leader freed stayed with it and the next took new memory.
        csys_share_heap()
        let startup = try Startup()
        do {
            guard let socket = ListeningSocket.inherited() else { throw StartupError.noSocket }
            try startup.prepareDataDirectory()
            let lock = try startup.useDataDirectory()
            defer { withExtendedLifetime(lock) {} }
            let worker = "\(getpid())-\(SystemClock().wall.milliseconds)"
            let gateway = try Gateway(settings: startup.settings, worker: worker, version: ProgramVersion.text, log: startup.log)
            let loop = try EventLoop(
                sockets: [socket] + FurtherSockets.descriptors.compactMap { ListeningSocket.inherited($0) }, peers: startup.settings.peers,
                threads: startup.settings.threads, handler: gateway.router, log: gateway.log)
            gateway.attach(to: loop)
            signals.wait { signal in
                switch signal {
                case .stop: loop.stop(within: .seconds(8))
                case .drain: loop.drain()
                }
            }
            WorkerReadiness.announce()
            loop.run()
            gateway.close()
        } catch let exit as ExitCode {
            throw exit
        } catch {
            startup.log.critical("\(error)")
            throw ExitCode.failure
        }
    }
}
