import ArgumentParser
import Foundation
import Gateway
import Glibc
import GRDB
import JSON
import Platform

/// `swingmusic-fcgi backup`: copies of the databases, taken while the program serves.
struct Backup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy the three databases into a folder, consistently, while the program serves.",
        discussion: """
            Each copy is the database at one moment, compacted and checked before it takes the place of an older copy of the same \
            name, so a backup that fails leaves the last good one. The folder is made when it is missing, for its owner alone: \
            limiter.db holds a Spotify token.

            To restore: stop 'serve', remove cache.db-wal and cache.db-shm, put the copies into the data folder as its owner, start. \
            Revocations made since the backup are forgotten with sessions.db; 'sessions revoke --everything' makes that safe.
            """)

    @Argument(help: "The folder for the copies; not the data folder.")
    var folder: String

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let settings = try Startup().settings
        let source = settings.dataDirectory
        let sources = DatabaseFile.all.filter { access("\(source)/\($0.name)", F_OK) == 0 }
        guard !sources.isEmpty else { throw BackupError.nothingThere(source) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        guard FileIdentity(path: folder) != FileIdentity(path: source) else { throw BackupError.sameFolder }
        let copied = try sources.map { file in
            (file: file.name, bytes: try file.copy(from: source, to: folder))
        }
        if json {
            return Output.json(["copied": .array(copied.map { ["file": .string($0.file), "bytes": .integer($0.bytes)] })])
        }
        for copy in copied { print("\(copy.file): \(copy.bytes) bytes, checked") }
    }
}

private enum BackupError: Error, CustomStringConvertible {
    case nothingThere(String)
    case sameFolder
    case failed(file: String, reason: String)

    var description: String {
        switch self {
        case .nothingThere(let path):
            "there are no databases in \(path) (SWINGMUSIC_FCGI_DATA_DIR); run this with the environment of 'serve'"
        case .sameFolder: "that is the data folder itself; name another"
        case .failed(let file, let reason): "\(file) was not copied: \(reason)"
        }
    }
}

extension DatabaseFile {
    /// Copies the database as it is at one moment (sqlite.org/lang_vacuum.html, VACUUM INTO), checks the copy, and only then gives it
    /// its name. Answers its size in bytes.
    func copy(from source: String, to folder: String) throws -> Int64 {
        let target = "\(folder)/\(name)"
        let draft = "\(target).new"
        unlink(draft)
        defer { unlink(draft) }
        do {
            try begin(draft)
            try reading("\(source)/\(name)", waiting: .seconds(10)) { db in
                try db.execute(sql: "VACUUM INTO ?", arguments: [draft])
            }
            _ = try examine(draft)
            try settle(draft, as: target, in: folder)
        } catch let fault as DatabaseFault {
            throw BackupError.failed(file: name, reason: "it \(fault.words)")
        } catch let error as DatabaseError {
            throw BackupError.failed(file: name, reason: error.message ?? "\(error.resultCode)")
        }
        return FileStamp(path: target)?.size ?? 0
    }

    /// An empty file may be vacuumed into, and is nobody else's from its first byte.
    private func begin(_ draft: String) throws {
        try naming(draft) { () throws(SystemError) in
            guard try Files.createPrivate(draft) else { throw SystemError("open", code: EEXIST) }
        }
    }

    /// On the disk before it takes the older copy's place, and the folder after.
    private func settle(_ draft: String, as target: String, in folder: String) throws {
        try naming(draft) { () throws(SystemError) in try Files.synchronize(draft) }
        try naming(target) { () throws(SystemError) in guard rename(draft, target) == 0 else { throw SystemError("rename") } }
        try naming(folder) { () throws(SystemError) in try Files.synchronize(folder) }
    }

    /// Says in the error which file it was.
    private func naming(_ path: String, _ work: () throws(SystemError) -> Void) throws(BackupError) {
        do { try work() } catch { throw .failed(file: name, reason: "\(path): \(error.reason)") }
    }
}
