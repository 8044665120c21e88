import ArgumentParser
import Foundation
import Gateway
import Glibc
import Logging

/// What every command begins with: settings, log, data folder.
struct Startup {
    let settings: Settings
    let log: Logger

    /// EX_CONFIG of sysexits.h: nothing that trying again would mend.
    static let configurationError: CInt = 78

    /// Ends the process with one line and status 78 when a setting does not parse.
    init() throws {
        do {
            settings = try Settings(environment: ProcessInfo.processInfo.environment)
        } catch {
            FileHandle.standardError.write(Data("swingmusic-fcgi: \(error)\n".utf8))
            throw ExitCode(Self.configurationError)
        }
        let level = settings.logLevel
        let format = settings.logFormat
        LoggingSystem.bootstrap { label in StandardErrorLog(label: label, format: format, level: level) }
        log = Logger(label: "swingmusic-fcgi")
    }

    /// Makes the data folder, for its owner alone: it holds a Spotify token. Ends the process with status 78 when a newer version
    /// of the program has written one of the databases in it.
    func prepareDataDirectory() throws {
        let path = settings.dataDirectory
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
            let refusals = DatabaseFile.refusals(in: path)
            for refusal in refusals { log.critical("\(refusal)") }
            guard refusals.isEmpty else { throw ExitCode(Self.configurationError) }
            return
        }
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o750])
        } catch {
            throw StartupError.dataDirectory(path: path, reason: error.localizedDescription)
        }
    }
}

/// Why a command cannot begin.
enum StartupError: Error, CustomStringConvertible {
    case dataDirectory(path: String, reason: String)
    case noSocket

    var description: String {
        switch self {
        case .dataDirectory(let path, let reason): "SWINGMUSIC_FCGI_DATA_DIR: \(path) cannot be made: \(reason)"
        case .noSocket: "descriptor 0 is not a listening socket; start 'worker' through serve, spawn-fcgi or a systemd socket unit"
        }
    }
}
