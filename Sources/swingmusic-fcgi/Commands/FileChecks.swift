import FastCGI
import Foundation
import Gateway
import Glibc
import GRDB
import Platform

/// SQLite, the data folder, and the databases in it. Nothing is created or changed.
enum DatabaseCheck {
    static func findings(_ settings: Settings) -> [Finding] {
        let folder = FolderState(settings.dataDirectory)
        var findings = [library()] + self.folder(folder)
        guard folder.kind == .folder else { return findings }
        for file in DatabaseFile.all { findings += state(of: file, in: settings.dataDirectory) }
        return findings + companions(settings.dataDirectory) + exchange(settings.dataDirectory)
    }

    /// sqlite.org/wal.html#walresetbug: versions before 3.51.3 may corrupt a WAL database when connections write and checkpoint at once.
    static func library(version: String = DatabaseFile.libraryVersion) -> Finding {
        let parts = version.split(separator: ".").compactMap { Int($0) }
        if [3, 51, 3].lexicographicallyPrecedes(parts) || parts == [3, 51, 3] { return .ok("SQLite", version) }
        return .warning(
            "SQLite",
            "\(version) has the WAL-reset bug (fixed in 3.51.3), which can damage a database that is written and checkpointed at once",
            remedy:
                "nothing need be done: only one process at a time makes checkpoints, and a damaged cache.db is set aside and begun anew; a newer SQLite removes the risk"
        )
    }

    private static func folder(_ folder: FolderState) -> [Finding] {
        let subject = "SWINGMUSIC_FCGI_DATA_DIR"
        switch folder.kind {
        case .missing:
            return [
                .warning(
                    subject, "\(folder.path) does not exist",
                    remedy: "'serve' makes it when it may: sudo install -d -m 0750 -o USER \(folder.path)")
            ]
        case .notAFolder:
            return [.error(subject, "\(folder.path) is not a folder", remedy: "name a folder on a local disk")]
        case .folder:
            guard folder.isUsable else {
                return [
                    .error(
                        subject, "\(folder.path) cannot be read and written by user \(geteuid())",
                        remedy: "chown it to the user of 'serve', or run check as that user")
                ]
            }
            return openness(folder) + room(folder)
        }
    }

    private static func openness(_ folder: FolderState) -> [Finding] {
        let subject = "SWINGMUSIC_FCGI_DATA_DIR"
        guard folder.mode & 0o007 != 0 else { return [.ok(subject, "\(folder.path), mode \(String(folder.mode, radix: 8))")] }
        return [
            .warning(
                subject,
                "\(folder.path) is open to every user of the host (mode \(String(folder.mode, radix: 8))); it holds a Spotify token",
                remedy: "chmod o= \(folder.path)")
        ]
    }

    private static func room(_ folder: FolderState) -> [Finding] {
        guard let free = folder.freeBytes else { return [] }
        let said = "\(free >> 20) MiB free"
        if free < 512 << 20 { return [.warning("disk space", said, remedy: "a record takes 2 to 10 KB; make room in time")] }
        return [.ok("disk space", said)]
    }

    private static func state(of file: DatabaseFile, in folder: String) -> [Finding] {
        let path = "\(folder)/\(file.name)"
        guard access(path, F_OK) == 0 else { return [.ok(file.name, "is not there yet; 'serve' makes it")] }
        if let name = file.names.first(where: { !isUsable("\(folder)/\($0)", in: folder) }) {
            return [unusable(file.name, name, in: folder)]
        }
        do {
            let version = try file.examine(path)
            return [.ok(file.name, "sound, schema \(version)")]
        } catch {
            let fault = DatabaseFault(error)
            switch fault {
            case .newerSchema, .damaged, .foreign: return [.error(file.name, fault.words, remedy: file.remedy(for: fault))]
            default:
                let reason = (error as? DatabaseError)?.message ?? "\(error)"
                return [
                    .error(
                        file.name, "cannot be read: \(reason)",
                        remedy: "it must belong to the user of 'serve', and so must the files beside it")
                ]
            }
        }
    }
}

extension DatabaseCheck {
    /// Without some of them nothing is looked up, or nobody is let in; without the others workers do not hear of each other.
    private static func companions(_ folder: String) -> [Finding] {
        DatabaseFile.companions.filter { !isUsable("\(folder)/\($0)", in: folder) }.map { unusable($0, $0, in: folder) }
    }

    private static func unusable(_ subject: String, _ name: String, in folder: String) -> Finding {
        .error(
            subject, "\(folder)/\(name) cannot be read and written by the user of 'serve'",
            remedy:
                "as root: chown --reference=\(folder) \(folder)/\(name) && chmod u+rw \(folder)/\(name); what root copied there is left like this"
        )
    }

    private static func exchange(_ folder: String) -> [Finding] {
        guard access(FolderLock.mark(of: folder), F_OK) == 0 else { return [] }
        return [
            .error(
                "restore", "is under way in \(folder), or was interrupted: its files do not belong together",
                remedy: "wait for it, or run 'restore' again")
        ]
    }

    /// Whether who runs `serve`, the folder's owner when root asks, may write the file; a file that is not there does no harm.
    private static func isUsable(_ path: String, in folder: String) -> Bool {
        var (file, home) = (stat(), stat())
        guard stat(path, &file) == 0, stat(folder, &home) == 0 else { return true }
        guard geteuid() == 0 else { return access(path, R_OK | W_OK) == 0 }
        if home.st_uid == 0 { return true }
        if file.st_uid == home.st_uid { return file.st_mode & 0o600 == 0o600 }
        return file.st_mode & 0o006 == 0o006 || (file.st_gid == home.st_gid && file.st_mode & 0o060 == 0o060)
    }
}

/// The socket: its folder, its group, and who answers there.
enum SocketCheck {
    static func findings(_ settings: Settings, _ address: ListenAddress) -> [Finding] {
        var findings: [Finding] = []
        if let group = settings.socketGroup, getgrnam(group) == nil, gid_t(group) == nil {
            findings.append(
                .error(
                    "SWINGMUSIC_FCGI_SOCKET_GROUP", "there is no group '\(group)'",
                    remedy: "name the group of nginx's workers: www-data on Debian, nginx elsewhere"))
        }
        guard case .unix(let path) = address else { return findings + [answer(address)] }
        findings += folder(path)
        var status = stat()
        guard lstat(path, &status) == 0 else {
            return findings + [.warning("socket", "\(path) is not there: the program does not run", remedy: "start 'serve'")]
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            return findings + [
                .error("socket", "\(path) is a file, not a socket", remedy: "move it away, or name another SWINGMUSIC_FCGI_LISTEN")
            ]
        }
        return findings + [mode(path, status.st_mode & 0o777), answer(address)]
    }

    private static func folder(_ path: String) -> [Finding] {
        let name = (path as NSString).deletingLastPathComponent
        let folder = FolderState(name)
        switch folder.kind {
        case .missing, .notAFolder:
            return [
                .error(
                    "SWINGMUSIC_FCGI_LISTEN", "the folder \(name) does not exist",
                    remedy:
                        "make it: sudo install -d -m 0755 -o USER \(name); below /run it must be made at every start (RuntimeDirectory= in systemd)"
                )
            ]
        case .folder where !folder.isUsable:
            return [
                .warning(
                    "SWINGMUSIC_FCGI_LISTEN", "user \(geteuid()) may not make a socket in \(name)",
                    remedy: "chown it to the user of 'serve', or run check as that user")
            ]
        case .folder:
            return [.ok("SWINGMUSIC_FCGI_LISTEN", "\(name) can be written, mode \(String(folder.mode, radix: 8))")]
        }
    }

    private static func mode(_ path: String, _ mode: mode_t) -> Finding {
        let said = "\(path), mode \(String(mode, radix: 8))"
        if mode & 0o002 != 0 {
            return .warning(
                "socket", "\(said): every user of the host may talk to it",
                remedy: "SWINGMUSIC_FCGI_SOCKET_MODE=0660 and SWINGMUSIC_FCGI_SOCKET_GROUP for nginx's group")
        }
        return .ok("socket", said)
    }

    private static func answer(_ address: ListenAddress) -> Finding { HealthCheck.finding(address, whenNobodyListens: .warning) }
}

/// Whether the running program answers.
enum HealthCheck {
    static func healthFinding(_ address: ListenAddress) -> Finding { finding(address, whenNobodyListens: .error) }

    /// - Parameter grade: a program that does not run is trouble for a health check, and none before the first start.
    static func finding(_ address: ListenAddress, whenNobodyListens grade: Finding.Grade) -> Finding {
        do throws(HealthProbe.Failure) {
            let status = try HealthProbe.ask(address)
            guard status == 200 else {
                return .error(
                    "health", "\(address) answers healthz with \(status)",
                    remedy: "see the log of 'serve'; is something else listening there?")
            }
            return .ok("health", "\(address) answers")
        } catch {
            return trouble(error, address, grade)
        }
    }

    private static func trouble(_ failure: HealthProbe.Failure, _ address: ListenAddress, _ grade: Finding.Grade) -> Finding {
        switch failure {
        case .nobodyListens(let reason):
            Finding(grade: grade, subject: "health", detail: "nobody listens at \(address): \(reason)", remedy: "start 'serve'")
        case .silent:
            .error("health", "\(address) accepts and does not answer", remedy: "see the log of 'serve', and restart it when it hangs")
        case .foreign:
            .error("health", "what answers at \(address) does not speak FastCGI", remedy: "correct SWINGMUSIC_FCGI_LISTEN")
        }
    }
}

/// What `/readyz`, the status page and `status` say, in their words.
enum ReadinessCheck {
    static func findings(_ settings: Settings) -> [Finding] {
        do {
            let readiness = try Readiness(of: settings, cacheFault: cacheFault(settings.dataDirectory), log: .silent)
            guard !readiness.complaints.isEmpty else { return [.ok("readiness", readiness.headline)] }
            let all = readiness.complaints.map { complaint in
                Finding(
                    grade: grade(complaint.trouble), subject: complaint.trouble.rawValue, detail: complaint.text,
                    remedy: complaint.trouble.remedy)
            }
            let worst = all.contains { $0.grade == .error } ? Finding.Grade.error : .warning
            return [Finding(grade: worst, subject: "readiness", detail: readiness.headline, remedy: "see the words below")] + all
        } catch let fault as InstallationStatus.Fault {
            return [.ok("readiness", "is not known yet: \(fault)")]
        } catch {
            return [.error("readiness", "cannot be told: \(error)", remedy: "correct the setting")]
        }
    }

    /// That nothing runs yet is no error, as in `SocketCheck`. That Spotify refuses the account is: it does not pass by itself.
    private static func grade(_ trouble: Trouble) -> Finding.Grade {
        switch trouble {
        case .noWorkers: .warning
        case .refusedAccount: .error
        default: trouble.keepsFromServing ? .error : .warning
        }
    }

    /// Not the whole file is read: `DatabaseCheck` does that.
    private static func cacheFault(_ folder: String) -> String? {
        let path = "\(folder)/\(DatabaseFile.cache.name)"
        guard access(path, F_OK) == 0 else { return nil }
        do {
            try DatabaseFile.cache.glance(path)
            return nil
        } catch {
            return DatabaseFault(error).words
        }
    }
}

/// nginx's include files, as far as the running program has seen them at work.
enum IncludeCheck {
    static func findings(_ settings: Settings) -> [Finding] {
        guard let outdatedAt = IncludeFiles(dataDirectory: settings.dataDirectory).outdatedAt else { return [] }
        let time = Output.time(outdatedAt)
        return [
            .warning(
                "nginx",
                "the latest request below /cache (\(time)) came through an older swingmusic-fcgi/pass.conf: its key is what nginx made of it",
                remedy:
                    "copy nginx/swingmusic-fcgi/ of this release over nginx's and reload nginx; the next request below /cache settles it")
        ]
    }
}
