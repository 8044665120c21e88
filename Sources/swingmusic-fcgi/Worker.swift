import ArgumentParser
import CSystem
import FastCGI
import Foundation
import Gateway
import Glibc
import Supervision

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
            let worker = "\(getpid())-\(UInt64(Date().timeIntervalSince1970 * 1000))"
            let gateway = try Gateway(settings: startup.settings, worker: worker, version: Version.text, log: startup.log)
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
