import ArgumentParser
import FastCGI
import Foundation
import Gateway
import Glibc
import Sessions
import Supervision

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
            let socket = try inherited ?? ListeningSocket.bind(settings.listen, mode: settings.socketMode, group: settings.socketGroup)
            for warning in settings.warnings { startup.log.warning("\(warning)") }
            startup.log.notice(
                "serving",
                metadata: [
                    "listen": "\(inherited == nil ? "\(settings.listen)" : "inherited")", "workers": "\(settings.workers)",
                    "version": "\(Version.text)",
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
