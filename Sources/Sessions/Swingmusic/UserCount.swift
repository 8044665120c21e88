import Logging

/// How many users `swingmusic.db` has, read in the way the sessions read it: for `check`.
public struct UserCount: Sendable {
    public let users: Int

    /// Why it cannot be read, in words.
    public struct Fault: Error, Sendable {
        public let reason: String
    }

    /// - Parameter folder: swingmusic's.
    public init(in folder: String) throws(Fault) {
        let log = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let directory = UserDirectory(folder: SwingmusicFolder(folder, log: log), clock: .system, log: log)
        defer { directory.close() }
        do {
            users = try directory.accounts().count
        } catch {
            throw Fault(reason: UserDirectory.words(error))
        }
    }
}
