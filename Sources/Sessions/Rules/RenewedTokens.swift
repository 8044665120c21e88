/// Renewals made a moment ago, so that a page that asks for fifty images at once gets one new token, not fifty.
final class RenewedTokens: Sendable {
    private struct Renewed {
        var token: FreshToken
        var madeAt: Int64
    }

    private let renewed = Locked<[TokenHash: Renewed]>([:])  // guards the renewals by the hash of the token they replace
    private static let lifetime: Int64 = 60_000
    private static let most = 1000

    func find(for old: TokenHash, now: Int64) -> FreshToken? {
        renewed.withLock { renewed in
            guard let found = renewed[old], now >= found.madeAt, now - found.madeAt < Self.lifetime else { return nil }
            return found.token
        }
    }

    func keep(_ token: FreshToken, for old: TokenHash, now: Int64) {
        renewed.withLock { renewed in
            if renewed.count >= Self.most { renewed = renewed.filter { now - $0.value.madeAt < Self.lifetime } }
            if renewed.count < Self.most { renewed[old] = Renewed(token: token, madeAt: now) }
        }
    }
}
