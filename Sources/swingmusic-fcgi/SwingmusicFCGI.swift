import ArgumentParser
import CSystem
import FastCGI
import Foundation
import Gateway
import Glibc
import Logging
import Platform
import Sessions
import Supervision

/// The command line.
@main
struct SwingmusicFCGI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swingmusic-fcgi",
        abstract: "A FastCGI responder for swingmusic's metadata and session routes.",
        discussion: "Settings are read from the environment; the README names the first few, docs/settings.md all.",
        version: ProgramVersion.text,
        subcommands: [
            Serve.self, Worker.self, Check.self, Status.self, CacheCommand.self, SessionsCommand.self, Backup.self, Restore.self,
            Warm.self,
        ],
        defaultSubcommand: Serve.self)
}

/// `swingmusic-fcgi serve`: binds the socket and keeps the workers running.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bind the socket, start the workers and keep them running (the default command).",
        discussion: """
            SIGTERM and SIGINT finish what is in flight and end within 10 s; SIGHUP replaces the workers one by one \
            without a failed request, with the executable as it is then.
            """)

    func run() throws {
        let startup = try Startup()
        let settings = startup.settings
        do {
            try startup.prepareDataDirectory()
            let inherited = ListeningSocket.inherited()
            let socket = try inherited ?? bind(settings, startup.log)
            for warning in settings.warnings { startup.log.warning("\(warning)") }
            startup.log.notice(
                "serving",
                metadata: [
                    "listen": "\(inherited == nil ? "\(settings.listen)" : "inherited")", "workers": "\(settings.workers)",
                    "version": "\(ProgramVersion.text)",
                ])
            if let named = settings.swingmusicDirectory {
                startup.log.notice("SWINGMUSIC_CONFIG_DIR: \(SwingmusicFolder.look(at: named))")
            }
            let plan = WorkerPlan(
                executable: OwnExecutable.path, arguments: ["worker"], count: settings.workers, listeningDescriptor: socket.descriptor)
            let supervisor = Supervisor(plan: plan, log: startup.log) {
                if inherited == nil, case .unix(let path) = settings.listen { unlink(path) }
            }
            throw ExitCode(supervisor.run())
        } catch let exit as ExitCode {
            throw exit
        } catch {
            startup.log.critical("\(error)")
            throw ExitCode.failure
        }
    }
}

extension Serve {
    private func bind(_ settings: Settings, _ log: Logger) throws(ListenError) -> ListeningSocket {
        let orphans = OrphanedWorkers(
            sharing: [SettingName.listen.rawValue, SettingName.dataDirectory.rawValue], in: ProcessInfo.processInfo.environment, log: log)
        return try orphans.outwait { () throws(ListenError) in
            try ListeningSocket.bind(settings.listen, mode: settings.socketMode, group: settings.socketGroup)
        } isTheirFault: { error in
            if case .inUse = error { true } else { false }
        }
    }
}

/// `swingmusic-fcgi worker`: one worker process on descriptor 0.
struct Worker: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve on the listening socket that is descriptor 0 (serve, spawn-fcgi or systemd start it so).")

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
                socket: socket, threads: startup.settings.threads, handler: gateway.router, log: gateway.log)
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
