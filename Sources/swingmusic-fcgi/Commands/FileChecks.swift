import FastCGI
import Gateway
import Glibc
import GRDB
import Platform

/// SQLite, the data folder, and the databases in it. Nothing is created or changed.
enum DatabaseCheck {
    private static let subject = "SWINGMUSIC_FCGI_DATA_DIR"

    static func findings(_ settings: Settings, _ viewer: Viewer) -> [Finding] {
        let folder = FolderState(settings.dataDirectory)
        let findings = [library()] + self.folder(folder, viewer)
        guard folder.kind == .folder, access(folder.path, R_OK | X_OK) == 0 else { return findings }
        let files = DatabaseFile.all.flatMap { state(of: $0, in: folder.path, viewer) }
        return findings + files + companions(folder.path, viewer) + exchange(folder.path)
    }

    /// sqlite.org/wal.html#walresetbug: versions before 3.51.3 may corrupt a WAL database when connections write and checkpoint at once. No
    /// warning: two never do so here.
    static func library(version: String = DatabaseFile.libraryVersion) -> Finding {
        let parts = version.split(separator: ".").compactMap { Int($0) }
        if [3, 51, 3].lexicographicallyPrecedes(parts) || parts == [3, 51, 3] { return .ok("SQLite", version) }
        return .ok(
            "SQLite",
            "\(version), which has the WAL-reset bug (fixed in 3.51.3): what it needs, two processes that make checkpoints, does not occur here"
        )
    }

    private static func folder(_ folder: FolderState, _ viewer: Viewer) -> [Finding] {
        switch folder.kind {
        case .missing: return [missing(folder, viewer)]
        case .hidden: return [.unseen(subject, "\(folder.path) is closed to user \(viewer.name)")]
        case .notAFolder:
            return [.error(subject, "\(folder.path) is not a folder", remedy: "name a folder on a local disk")]
        case .folder: return [owner(of: folder, viewer)] + openness(folder) + room(folder)
        }
    }

    private static func missing(_ folder: FolderState, _ viewer: Viewer) -> Finding {
        let parent = FolderState.parent(of: folder.path)
        let mayMakeIt = viewer.owner.map { $0.may([.write, .search], parent) == true } ?? (access(parent, W_OK | X_OK) == 0)
        if mayMakeIt || Viewer.hasUnit() && folder.path == Settings.usualDataDirectory {
            return .ok(subject, "\(folder.path) is not there yet; the first start makes it")
        }
        let user = viewer.owner?.name ?? "USER"
        return .error(
            subject, "\(folder.path) does not exist, and 'serve' may not make it",
            remedy: "make it for the user of 'serve': sudo install -d -m 0750 -o \(user) \(folder.path)")
    }

    private static func owner(of folder: FolderState, _ viewer: Viewer) -> Finding {
        let user = viewer.owner ?? HostUser(geteuid())
        // Its modes are what others can go by; the program's own user asks the system.
        guard viewer.isStranger ? user.may([.read, .write, .search], folder.path) != false : folder.isUsable else {
            return .error(
                subject, "\(folder.path) cannot be read and written by user \(user.name)",
                remedy: "chown it to the user of 'serve': sudo chown -R \(user.name) \(folder.path); its owner needs mode 0750")
        }
        if viewer.isStranger, access(folder.path, R_OK | X_OK) != 0 {
            return .unseen(subject, "\(folder.path) is user \(user.name)'s and closed to user \(viewer.name), as it should be")
        }
        return .ok(subject, "\(folder.path), mode \(folder.modeText), for user \(user.name)")
    }

    private static func openness(_ folder: FolderState) -> [Finding] {
        guard folder.mode & 0o007 != 0 else { return [] }
        return [
            .warning(
                subject, "\(folder.path) is open to every user of the host (mode \(folder.modeText)); it holds a Spotify token",
                remedy: "chmod o= \(folder.path)")
        ]
    }

    private static func room(_ folder: FolderState) -> [Finding] {
        guard let free = folder.freeBytes else { return [] }
        let said = "\(free >> 20) MiB free"
        if free < 512 << 20 { return [.warning("disk space", said, remedy: "a record takes 2 to 10 KB; make room in time")] }
        return [.ok("disk space", said)]
    }

    private static func state(of file: DatabaseFile, in folder: String, _ viewer: Viewer) -> [Finding] {
        let path = "\(folder)/\(file.name)"
        guard access(path, F_OK) == 0 else { return [.ok(file.name, "is not there yet; 'serve' makes it")] }
        let user = viewer.owner ?? HostUser(geteuid())
        if let name = file.names.first(where: { !isUsable("\(folder)/\($0)", by: user) }) {
            return [unusable(file.name, name, in: folder, user)]
        }
        if access(path, R_OK) != 0 { return [.unseen(file.name, "\(path) may not be read by user \(viewer.name)")] }
        do {
            return [.ok(file.name, "sound, schema \(try file.examine(path))")]
        } catch {
            let fault = DatabaseFault(error)
            switch fault {
            case .newerSchema, .damaged, .foreign: return [.error(file.name, fault.words, remedy: file.remedy(for: fault))]
            default:
                let reason = (error as? DatabaseError)?.message ?? "\(error)"
                return viewer.isStranger
                    ? [.unseen(file.name, "could not be looked at: \(reason)")]
                    : [
                        .error(
                            file.name, "cannot be read: \(reason)",
                            remedy: "it must belong to the user of 'serve', and so must the files beside it")
                    ]
            }
        }
    }

    /// A file that is not there does no harm.
    private static func isUsable(_ path: String, by user: HostUser) -> Bool {
        guard access(path, F_OK) == 0 else { return true }
        if user.id == geteuid() { return access(path, R_OK | W_OK) == 0 }
        return user.may(.read, at: path) != false && user.may(.write, at: path) != false
    }

    /// Without some of them nothing is looked up, or nobody is let in; without the others workers do not hear of each other.
    private static func companions(_ folder: String, _ viewer: Viewer) -> [Finding] {
        let user = viewer.owner ?? HostUser(geteuid())
        return DatabaseFile.companions.filter { !isUsable("\(folder)/\($0)", by: user) }.map { unusable($0, $0, in: folder, user) }
    }

    private static func unusable(_ subject: String, _ name: String, in folder: String, _ user: HostUser) -> Finding {
        .error(
            subject, "\(folder)/\(name) cannot be read and written by user \(user.name), who runs 'serve'",
            remedy:
                "it must belong to the user of 'serve': sudo chown --reference=\(folder) \(folder)/\(name) && sudo chmod u+rw \(folder)/\(name); what root copied there is left like this"
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
}

/// What `/readyz`, the status page and `status` say, in their words.
enum ReadinessCheck {
    static func findings(_ settings: Settings, _ viewer: Viewer) -> [Finding] {
        guard !viewer.isStranger || access(settings.dataDirectory, R_OK | W_OK | X_OK) == 0 else {
            return [
                .unseen(
                    "readiness", "is told by files that are closed to user \(viewer.name), and by /swingmusic-fcgi/readyz through nginx")
            ]
        }
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
        } catch InstallationStatus.Fault.unreadable(let file) {
            return viewer.isStranger
                ? [.unseen("readiness", "is told by \(file), which is closed to user \(viewer.name)")]
                : [
                    .error(
                        "readiness", "\(file) cannot be read and written",
                        remedy: "it must belong to the user of 'serve', as all files of the data folder")
                ]
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
