/// How keys are grouped: a key's namespace is what stands before its first `/`, and empty when it has none.
enum Namespace {
    static let separator = UInt8(ascii: "/")

    static func of(_ key: [UInt8]) -> [UInt8] {
        guard let end = key.firstIndex(of: separator) else { return [] }
        return Array(key[..<end])
    }

    /// The namespace that holds exactly the keys with this prefix, when there is one.
    static func named(by prefix: [UInt8]) -> [UInt8]? {
        guard let first = prefix.firstIndex(of: separator), first == prefix.count - 1 else { return nil }
        return Array(prefix[..<first])
    }

    /// The least key that is greater than every key with this prefix; nil when there is none.
    static func end(of prefix: [UInt8]) -> [UInt8]? {
        var end = prefix
        while let last = end.popLast() {
            if last < 0xFF { return end + [last + 1] }
        }
        return nil
    }
}
