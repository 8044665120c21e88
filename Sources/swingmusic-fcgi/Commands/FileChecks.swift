import Foundation
import GRDB
import Gateway
import Glibc

/// SQLite, the data folder, and the databases in it. Nothing is created or changed.
enum DatabaseCheck {
    static func findings(_ settings: Settings) -> [Finding] {
        let folder = FolderState(settings.dataDirectory)
        var findings = [library()] + self.folder(folder)
        guard folder.kind == .folder else { return findings }
        for file in DatabaseFile.all { findings += state(of: file, in: settings.dataDirectory) }
        return findings
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
        if free < 64 << 20 { return [.error("disk space", said, remedy: "make room: below this the databases soon cannot be written")] }
        if free < 512 << 20 { return [.warning("disk space", said, remedy: "a record takes 2 to 10 KB; make room in time")] }
        return [.ok("disk space", said)]
    }

    private static func state(of file: DatabaseFile, in folder: String) -> [Finding] {
        let path = "\(folder)/\(file.name)"
        guard access(path, F_OK) == 0 else { return [.ok(file.name, "is not there yet; 'serve' makes it")] }
        do {
            let version = try file.examine(path)
            return [.ok(file.name, "sound, schema \(version)")]
        } catch let fault as DatabaseFile.Fault {
            return [.error(file.name, fault.words, remedy: fault.remedy(file))]
        } catch let error as DatabaseError
            where error.resultCode.primaryResultCode == .SQLITE_NOTADB || error.resultCode.primaryResultCode == .SQLITE_CORRUPT
        {
            return [.error(file.name, "is damaged: \(error.message ?? "not a database")", remedy: file.remedyWhenDamaged)]
        } catch {
            let reason = (error as? DatabaseError)?.message ?? "\(error)"
            return [
                .error(
                    file.name, "cannot be read: \(reason)", remedy: "it must belong to the user of 'serve', and so must the files beside it"
                )
            ]
        }
    }
}
