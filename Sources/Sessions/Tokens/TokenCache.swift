import Platform

/// The verified tokens of this process by the hash of their text, so that a repeated check reads and signs nothing.
///
/// Only tokens whose signature was good come in. Two generations bound it: when the young one is full it becomes the old one,
/// and what is asked for again moves back.
final class TokenCache: Sendable {
    private struct Shard {
        var young: [TokenHash: RememberedToken] = [:]
        var old: [TokenHash: RememberedToken] = [:]
    }

    private let shards: [Locked<Shard>]
    private let generation: Int

    /// - Parameter capacity: tokens at most, some 1 KB each.
    init(capacity: Int = 16_384) {
        shards = (0..<16).map { _ in Locked(Shard()) }
        generation = max(1, capacity / 32)
    }

    /// - Parameter mark: the key in force: what was verified under another is not known.
    func find(_ hash: TokenHash, under mark: TokenHash) -> RememberedToken? {
        shards[hash.shard(of: 16)].withLock { shard in
            if let found = shard.young[hash] { return found.mark == mark ? found : nil }
            guard let found = shard.old.removeValue(forKey: hash), found.mark == mark else { return nil }
            insert(found, hash, &shard)
            return found
        }
    }

    func remember(_ token: RememberedToken, as hash: TokenHash) {
        shards[hash.shard(of: 16)].withLock { shard in insert(token, hash, &shard) }
    }

    var all: [RememberedToken] {
        shards.flatMap { shard in shard.withLock { Array($0.young.values) + Array($0.old.values) } }
    }

    var count: Int { shards.reduce(0) { sum, shard in sum + shard.withLock { $0.young.count + $0.old.count } } }

    private func insert(_ token: RememberedToken, _ hash: TokenHash, _ shard: inout Shard) {
        if shard.young.count >= generation {
            shard.old = shard.young
            shard.young = [:]
        }
        shard.young[hash] = token
    }
}

/// A verified token in memory, with what `sessions.db` last said about it.
final class RememberedToken: Sendable {
    let token: Token
    /// The key that it was verified with.
    let mark: TokenHash
    private let state = Locked(State())  // guards the last answer and when the session's use was last noted

    private struct State {
        var answer: FileAnswer<TokenRow>?
        var notedAt: Int64 = 0
    }

    init(token: Token, mark: TokenHash) {
        self.token = token
        self.mark = mark
    }

    /// The last answer, if the file has not been written since.
    func answer(at stamp: FileStamp) -> TokenRow? {
        state.withLock { $0.answer?.stamp == stamp ? $0.answer?.value : nil }
    }

    var lastAnswer: FileAnswer<TokenRow>? { state.withLock { $0.answer } }

    func remember(_ answer: FileAnswer<TokenRow>) { state.withLock { $0.answer = answer } }

    func forgetAnswer() { state.withLock { $0.answer = nil } }

    /// Whether it opened something within the last hour.
    func isInUse(now: Int64) -> Bool { state.withLock { (0..<3_600_000).contains(now - $0.notedAt) } }

    /// Whether the use of the session should be noted: true once a minute.
    func isDueToBeNoted(now: Int64) -> Bool {
        state.withLock {
            guard now - $0.notedAt >= 60_000 || now < $0.notedAt else { return false }
            $0.notedAt = now
            return true
        }
    }
}
