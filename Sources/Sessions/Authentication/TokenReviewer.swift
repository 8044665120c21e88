import Platform

/// Asks `sessions.db` anew about the tokens in use as soon as it was written, by whatever process: who is known then needs nothing of the file
/// when somebody holds it, and the first request after a write need not ask.
final class TokenReviewer: Sendable {
    private let database: SessionDatabase
    private let memory: TokenCache
    private let clients: ClientAuthenticator
    private let clock: any HostClock
    private let stopping: EventFD?
    private let thread = Locked<WorkerThread?>(nil)  // guards the thread, which is started once

    /// Tokens at most, some 20 µs each; of the others each is asked about when it comes.
    private static let most = 2000
    /// Not every file system tells of a write.
    private static let longest = Duration.seconds(1)
    /// Between two reviews, of a file that is written all the time.
    private static let shortest = Duration.milliseconds(20)

    init(database: SessionDatabase, memory: TokenCache, clients: ClientAuthenticator, clock: any HostClock) {
        self.database = database
        self.memory = memory
        self.clients = clients
        self.clock = clock
        stopping = try? EventFD()
    }

    /// Starts the thread, unless it runs. Where there is none to be had, all is as it was but for this.
    func start() {
        guard let stopping else { return }
        thread.withLock { thread in
            guard thread == nil else { return }
            thread = try? WorkerThread.start(named: "review") { [self] context in run(until: stopping, context) }
        }
    }

    /// Ends the thread.
    func close() {
        stopping?.signal()
        thread.withLock { _ = $0?.join(within: .milliseconds(500)) }
    }

    private func run(until stopping: EventFD, _ context: borrowing BlockingContext) {
        var reviewed: FileVersion?
        var watch: (of: FileWatch?, file: FileIdentity?)
        while true {
            // Watched before it is read, so that nothing is written in between.
            let file = FileIdentity(path: database.path)
            if watch.of == nil || watch.file != file { watch = (FileWatch(path: database.path), file) }
            reviewed = (try? review(since: reviewed, context)) ?? reviewed
            if stopping.wait(within: Self.shortest) { return }
            FileWatch.wait(for: watch.of, or: stopping, within: Self.longest, context)
        }
    }

    /// - Returns: the version that was found; nil where there is none.
    func review(since last: FileVersion?, _ context: borrowing BlockingContext) throws(SessionDatabaseError) -> FileVersion? {
        let version = try database.version(context)
        if let version, version == last { return last }
        let inUse = tokensInUse()
        let answers = try database.review(inUse, context) { rows, use in try rows.answer(use.token.token.hash, userID: use.userID) }
        for (use, answer) in zip(inUse, answers) { use.token.remember(answer) }
        try clients.review(context)
        return version
    }

    /// What is remembered of the others is forgotten: it was said of the file as it is no more.
    private func tokensInUse() -> [(token: RememberedToken, userID: Int64)] {
        let now = clock.wall.milliseconds
        var inUse: [(token: RememberedToken, userID: Int64)] = []
        for token in memory.all {
            if inUse.count < Self.most, token.isInUse(now: now), case .user(let userID) = token.token.claims.userID {
                inUse.append((token, userID))
            } else {
                token.forgetAnswer()
            }
        }
        return inUse
    }
}
