import Crypto

/// A SHA-256 of a text, four words so that it hashes and compares without touching the heap.
struct TokenHash: Sendable, Hashable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    init(of text: ArraySlice<UInt8>) {
        let digest = text.withUnsafeBufferPointer { buffer in
            var hash = SHA256()
            hash.update(bufferPointer: UnsafeRawBufferPointer(buffer))
            return hash.finalize()
        }
        words = digest.withUnsafeBytes { raw in
            (
                raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self), raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self), raw.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
            )
        }
    }

    /// The 32 bytes, as they are stored.
    var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) { hasher.combine(words.0) }

    /// Which of `count` shards it belongs to.
    func shard(of count: Int) -> Int { Int(truncatingIfNeeded: words.1 % UInt64(count)) }
}
