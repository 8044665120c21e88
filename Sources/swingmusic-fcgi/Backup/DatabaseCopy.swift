import Foundation
import GRDB
import Glibc

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
            try vacuum("\(source)/\(name)", into: draft)
            _ = try examine(draft)
            try settle(draft, as: target, in: folder)
        } catch let fault as Fault {
            throw BackupError.failed(file: name, reason: "it \(fault.words)")
        } catch let error as DatabaseError {
            throw BackupError.failed(file: name, reason: error.message ?? "\(error.resultCode)")
        }
        var status = stat()
        return stat(target, &status) == 0 ? Int64(status.st_size) : 0
    }

    /// An empty file may be vacuumed into, and is nobody else's from its first byte.
    private func begin(_ draft: String) throws {
        let descriptor = open(draft, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(draft) }
        close(descriptor)
    }

    private func vacuum(_ path: String, into draft: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(10)
        configuration.label = name
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        defer { try? queue.close() }
        try queue.writeWithoutTransaction { db in try db.execute(sql: "VACUUM INTO ?", arguments: [draft]) }
    }

    /// On the disk before it takes the older copy's place, and the folder after.
    private func settle(_ draft: String, as target: String, in folder: String) throws {
        try sync(draft, O_RDONLY)
        guard rename(draft, target) == 0 else { throw failure(target) }
        try sync(folder, O_RDONLY | O_DIRECTORY)
    }

    private func sync(_ path: String, _ flags: CInt) throws {
        let descriptor = open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure(path) }
    }

    private func failure(_ path: String) -> BackupError {
        .failed(file: name, reason: "\(path): \(String(cString: strerror(errno)))")
    }
}
