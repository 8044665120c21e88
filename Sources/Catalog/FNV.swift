/// The 64-bit FNV-1a hash (draft-eastlake-fnv): for tags, where nobody gains by a collision.
enum FNV {
    static func hash(_ bytes: some Sequence<UInt8>, from basis: UInt64 = 0xCBF2_9CE4_8422_2325) -> UInt64 {
        var hash = basis
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}
