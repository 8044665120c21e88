/// Small things learned that all workers should know, such as the account's mode or a closed endpoint.
extension Turnstile {
    /// Keeps a value under a name.
    ///
    /// - Parameter until: wall-clock milliseconds from which it is forgotten; nil: never.
    public func remember(_ fact: String, _ value: String, until: Int64?) throws(TurnstileError) {
        try file.write { transaction in
            try transaction.run("DELETE FROM facts WHERE until <= ?", [transaction.now])
            try transaction.run(
                "INSERT OR REPLACE INTO facts (name, value, until) VALUES (?, ?, ?)",
                [fact, value, until.map(transaction.moment.instant(ofWall:))])
        }
    }

    /// The value under that name; nil when there is none or its time is over.
    public func recall(_ fact: String) throws(TurnstileError) -> String? {
        try file.read { transaction in
            try transaction.one(
                "SELECT value FROM facts WHERE name = ? AND (until IS NULL OR until > ?)", [fact, transaction.now])
        }
    }
}
