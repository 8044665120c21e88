import CSystem

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
        let blocks = bytes.count / 64
        let begin = csys_lanes(a: seed, b: seed ^ 0x9E37_79B9_7F4A_7C15, c: ~seed, d: seed &+ 0xD1B5_4A32_D192_ED03)
        let lanes = csys_sum_blocks(bytes.baseAddress, UInt64(blocks), begin)
        let state = mix(mix(mix(mix(lanes.a) ^ lanes.b) ^ lanes.c) ^ lanes.d) ^ UInt64(bytes.count)
        return hash(UnsafeRawBufferPointer(rebasing: bytes[(64 * blocks)...]), seed: state)
    }
}
