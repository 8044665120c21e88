/// A country, ISO 3166-1 alpha-2 in upper case, as the Web API's `market` parameter takes it.
public struct Market: Hashable, Sendable {
    public let code: String

    /// Takes two ASCII letters of either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 2, text.utf8.allSatisfy({ (0x41...0x5A).contains($0 & 0xDF) && $0 >= 0x41 }) else {
            return nil
        }
        code = text.uppercased()
    }
}
