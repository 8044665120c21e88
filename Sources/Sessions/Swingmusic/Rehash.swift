import GRDB

/// The one write to swingmusic's database: a legacy password hash is replaced at login.
enum Rehash {
    /// Does nothing where the row has changed meanwhile. Throws GRDB's error where the file cannot be written.
    static func store(_ newHash: String, over oldHash: String, user id: Int64, path: String) throws {
        var configuration = Configuration()
        configuration.busyMode = .callback(Patience.long)
        configuration.label = "swingmusic.db rehash"
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        defer { try? queue.close() }
        try queue.inDatabase { db in
            try db.execute(sql: "UPDATE user SET password = ? WHERE id = ? AND password = ?", arguments: [newHash, id, oldHash])
        }
    }
}
