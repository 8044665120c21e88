/// A quick 64-bit hash of bytes, the same in every process that has the seed: for shards, for the shared page, and to tell copies apart.
/// Not for anything that must not be guessed; a collision of keys in memory costs a look into the tier below.
enum KeyHash {
    static func hash(_ key: [UInt8], seed: UInt64) -> UInt64 { key.withUnsafeBytes { hash($0, seed: seed) } }

    static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var state = seed ^ UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
        var offset = 0
        while offset + 8 <= bytes.count {
            state = mix(state ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < bytes.count {
            rest = rest << 8 | UInt64(bytes[offset])
            offset += 1
        }
        return mix(state ^ rest)
    }

    /// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
    static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The same for many bytes: words of eight go through four lanes, so that the processor works on four at once.
    static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var lanes = (seed, seed ^ 0x9E37_79B9_7F4A_7C15, ~seed, seed &+ 0xD1B5_4A32_D192_ED03)
        var offset = 0
        func word(_ place: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: offset + 8 * place, as: UInt64.self) }
        while offset + 64 <= bytes.count {
            lanes.0 = step(step(lanes.0, word(0)), word(4))
            lanes.1 = step(step(lanes.1, word(1)), word(5))
            lanes.2 = step(step(lanes.2, word(2)), word(6))
            lanes.3 = step(step(lanes.3, word(3)), word(7))
            offset += 64
        }
        let state = mix(mix(mix(mix(lanes.0) ^ lanes.1) ^ lanes.2) ^ lanes.3) ^ UInt64(bytes.count)
        return hash(UnsafeRawBufferPointer(rebasing: bytes[offset...]), seed: state)
    }

    /// A bijection of either argument: no change of one word goes unnoticed. The turn brings the upper bits, which a product leaves where
    /// they are, among those that the next product spreads.
    @inline(__always)
    private static func step(_ state: UInt64, _ word: UInt64) -> UInt64 {
        let mixed = (state ^ word) &* 0x9FB2_1C65_1E98_DF25
        return mixed << 32 | mixed >> 32
    }
}
