import ArgumentParser
import Foundation
import Gateway
import Glibc
import Platform

/// `--env-file`, which every command takes that looks at an installation.
struct EnvironmentOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file of NAME=value lines with settings.",
            discussion: """
                Each setting is taken from the environment, else from this file, else from the running 'serve', else from \
                /etc/swingmusic-fcgi/environment.
                """, valueName: "path"), completion: .file())
    var envFile: String?
}

/// Where a command has its settings from, each from the first of: its own environment, `--env-file`, the running program,
/// /etc/swingmusic-fcgi/environment.
struct SettingsSources {
    /// All that is set.
    private(set) var environment: [String: String]
    private(set) var running: RunningProgram?
    /// What could not be read for want of rights.
    private(set) var closed: [String] = []
    /// A file that is not as it must be, in words that name it.
    private(set) var fault: EnvironmentFile.Fault?
    /// Of each source but the own environment: what it is called, and what was taken from it.
    private(set) var taken: [(source: String, names: [String])] = []

    /// Looks at all of them. Nothing is ever taken as a setting but what the program knows as one.
    /// - Parameter own: the environment of this process.
    init(own: [String: String], file: String?, system: String = EnvironmentFile.usualPath) {
        environment = own
        if let file {
            do throws(EnvironmentFile.Fault) { take(try EnvironmentFile(path: file).variables, from: file) } catch { fault = error }
        }
        // Not there is no fault here, as with systemd's EnvironmentFile=-.
        let usual = access(system, F_OK) == 0 || errno == EACCES ? read(system) : [:]
        let folder = [environment, usual].compactMap { $0[SettingName.dataDirectory.rawValue] }.first { !$0.isEmpty }
        do throws(SystemError) {
            running = try RunningProgram(of: folder ?? Settings.usualDataDirectory)
        } catch {
            closed.append("\(folder ?? Settings.usualDataDirectory)/\(RunningProgram.fileName)")
        }
        if let running { take(running.settings, from: "the running program (process \(running.process))") }
        take(usual, from: system)
    }

    init(_ options: EnvironmentOptions) { self.init(own: ProcessInfo.processInfo.environment, file: options.envFile) }

    /// The settings, with the default in the place of each that does not parse, and those.
    func read() -> (settings: Settings, errors: [SettingError]) {
        var (settings, errors) = Settings.reading(environment)
        settings.withheld = (running?.withheld ?? []).filter { name in
            [name.rawValue, name.rawValue + "_FILE"].allSatisfy { (environment[$0] ?? "").isEmpty }
        }
        // A half that the running program has, and did not tell.
        let withheld = Set(settings.withheld.map(\.rawValue))
        errors.removeAll { withheld.contains($0.name) }
        return (settings, errors)
    }

    /// The folder of the databases.
    var dataDirectory: String {
        environment[SettingName.dataDirectory.rawValue].flatMap { $0.isEmpty ? nil : $0 } ?? Settings.usualDataDirectory
    }

    /// In one line: where the settings are from. nil where all of them are the environment's, or there are none.
    var words: String? {
        let others = taken.filter { !$0.names.isEmpty }.map { "from \($0.source): \($0.names.joined(separator: ", "))" }
        return others.isEmpty ? nil : others.joined(separator: "; ")
    }

    /// What is set already goes before, in either of its two forms.
    private mutating func take(_ variables: [String: String], from source: String) {
        var names: [String] = []
        for name in SettingName.allCases {
            let forms = [name.rawValue] + (name.hasFile ? [name.rawValue + "_FILE"] : [])
            guard forms.allSatisfy({ (environment[$0] ?? "").isEmpty }) else { continue }
            for form in forms {
                guard let value = variables[form], !value.isEmpty else { continue }
                environment[form] = value
                names.append(form)
            }
        }
        // What looks like a setting and is none is for `check` to name.
        for (name, value) in variables where environment[name] == nil && SettingName(variable: name) == nil { environment[name] = value }
        taken.append((source, names))
    }

    private mutating func read(_ path: String) -> [String: String] {
        do throws(EnvironmentFile.Fault) {
            return try EnvironmentFile(path: path).variables
        } catch {
            if error.isForbidden { closed.append(path) } else { fault = fault ?? error }
            return [:]
        }
    }
}
