/// placeholder
final class RememberedToken: Sendable { let mark: TokenHash
 init(mark: TokenHash) { self.mark = mark } }
