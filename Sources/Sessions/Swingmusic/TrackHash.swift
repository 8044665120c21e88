/// The hash by which swingmusic's routes know a song. The one in the column `trackhash` of its database is another: swingmusic makes this one anew
/// when it loads the song, of the title, the album and the artists as it shows them (3.0.1, seen by `Tests/swingmusic`).
enum TrackHash {
    /// nil where swingmusic may show another title or album than the tags have, as its settings say: featured artists and producers in the
    /// title, remasters, editions of albums.
    static func of(title: String, album: String, artists: String) -> String? {
        // Of a capital sigma the small letter depends on what is beside it.
        guard isShownAsIs(title: title), isShownAsIs(album: album), !"\(title)\(album)\(artists)".unicodeScalars.contains("\u{3A3}") else {
            return nil
        }
        let names = artists.split { ";/,".contains($0) }.map { trimmed(String($0)) }.filter { !$0.isEmpty }
        // An artist who is there twice is shown once.
        guard Set(names).count == names.count else { return nil }
        let digits = String(XXH3.hash(Array(([title, album] + names).map(letters).joined().utf8)), radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    private static func isShownAsIs(title: String) -> Bool {
        let title = title.lowercased()
        if title.contains("prod.") || title.contains("remaster") { return false }
        guard title.contains("(") || title.contains("[") else { return true }
        return !["feat", "ft", "with"].contains { title.contains($0) }
    }

    private static func isShownAsIs(album: String) -> Bool { !album.hasSuffix(")") && !album.hasSuffix("]") }

    /// Letters and digits in lower case; all but spaces where there is none.
    private static func letters(_ text: String) -> String {
        var all = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { all.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars) }
        let letters = all.filter { isLetterOrDigit($0) }
        guard letters.isEmpty else { return String(String.UnicodeScalarView(letters)) }
        return trimmed(String(all)).replacing(" ", with: "")
    }

    private static func isLetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber, .letterNumber,
            .otherNumber:
            true
        default: false
        }
    }

    private static func trimmed(_ text: String) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// XXH3, 64 bits, seed 0, with the secret of its specification (xxHash, `doc/xxhash_spec.md`).
private enum XXH3 {
    static func hash(_ bytes: [UInt8]) -> UInt64 {
        switch bytes.count {
        case 0...16: short(bytes)
        case 17...128: medium(bytes)
        case 129...240: longer(bytes)
        default: long(bytes)
        }
    }

    private static let (prime1, prime2, prime3): (UInt64, UInt64, UInt64) = (
        0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9
    )
    private static let (prime4, prime5): (UInt64, UInt64) = (0x85EB_CA77_C2B2_AE63, 0x27D4_EB2F_1656_67C5)
    /// Of 32 bits.
    private static let (small1, small2, small3): (UInt64, UInt64, UInt64) = (0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D)
    private static let (mix1, mix2): (UInt64, UInt64) = (0x1656_6791_9E37_79F9, 0x9FB2_1C65_1E98_DF25)

    private static let secret: [UInt8] = [
        0xbe4b_a423_396c_feb8, 0x1cad_21f7_2c81_017c, 0xdb97_9083_e96d_d4de, 0x1f67_b3b7_a4a4_4072, 0x78e5_c0cc_4ee6_79cb,
        0x2172_ffcc_7dd0_5a82,
        0x8e24_43f7_7446_08b8, 0x4c26_3a81_e690_35e0, 0xcb00_c391_bb52_283c, 0xa32e_531b_8b65_d088, 0x4ef9_0da2_9748_6471,
        0xd8ac_dea9_46ef_1938,
        0x3f34_9ce3_3f76_faa8, 0x1d4f_0bc7_c7bb_dcf9, 0x3159_b4cd_4be0_518a, 0x6473_78d9_c97e_9fc8, 0xc3eb_d334_83ac_c5ea,
        0xeb63_13fa_ffa0_81c5,
        0x49da_f0b7_51dd_0d17, 0x9e68_d429_2655_16d3, 0xfca1_477d_58be_162b, 0xce31_d07a_d1b8_f88f, 0x2804_1695_8f3a_cb45,
        0x7e40_4bbb_cafb_d7af,
    ].flatMap { (word: UInt64) in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }

    /// Little-endian words.
    private static func word(_ bytes: [UInt8], _ place: Int, _ size: Int = 8) -> UInt64 {
        (0..<size).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * UInt64($1)) }
    }

    private static func rotated(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 - by) }

    /// The product of 128 bits, folded.
    private static func folded(_ one: UInt64, _ other: UInt64) -> UInt64 {
        let product = one.multipliedFullWidth(by: other)
        return product.high ^ product.low
    }

    private static func finished(_ value: UInt64) -> UInt64 {
        let value = (value ^ value >> 37) &* mix1
        return value ^ value >> 32
    }

    private static func finishedAsBefore(_ value: UInt64) -> UInt64 {
        var value = (value ^ value >> 33) &* prime2
        value = (value ^ value >> 29) &* prime3
        return value ^ value >> 32
    }

    private static func short(_ bytes: [UInt8]) -> UInt64 {
        let count = bytes.count
        switch count {
        case 0: return finishedAsBefore(word(secret, 56) ^ word(secret, 64))
        case 1...3:
            let first = UInt64(bytes[0]) << 16 | UInt64(bytes[count >> 1]) << 24 | UInt64(bytes[count - 1]) | UInt64(count) << 8
            return finishedAsBefore(first ^ word(secret, 0, 4) ^ word(secret, 4, 4))
        case 4...8:
            var value = (word(bytes, count - 4, 4) &+ word(bytes, 0, 4) << 32) ^ word(secret, 8) ^ word(secret, 16)
            value = (value ^ rotated(value, 49) ^ rotated(value, 24)) &* mix2
            value = (value ^ (value >> 35 &+ UInt64(count))) &* mix2
            return value ^ value >> 28
        default:
            let low = word(bytes, 0) ^ word(secret, 24) ^ word(secret, 32)
            let high = word(bytes, count - 8) ^ word(secret, 40) ^ word(secret, 48)
            return finished(UInt64(count) &+ low.byteSwapped &+ high &+ folded(low, high))
        }
    }

    private static func mixed(_ bytes: [UInt8], _ place: Int, _ secretPlace: Int) -> UInt64 {
        folded(word(bytes, place) ^ word(secret, secretPlace), word(bytes, place + 8) ^ word(secret, secretPlace + 8))
    }

    private static func medium(_ bytes: [UInt8]) -> UInt64 {
        let count = bytes.count
        return finished(
            (0...(count - 1) / 32).reduce(UInt64(count) &* prime1) { sum, step in
                sum &+ mixed(bytes, 16 * step, 32 * step) &+ mixed(bytes, count - 16 * (step + 1), 32 * step + 16)
            })
    }

    private static func longer(_ bytes: [UInt8]) -> UInt64 {
        let begun = finished((0..<8).reduce(UInt64(bytes.count) &* prime1) { $0 &+ mixed(bytes, 16 * $1, 16 * $1) })
        let end = (8..<bytes.count / 16).reduce(mixed(bytes, bytes.count - 16, 119)) { $0 &+ mixed(bytes, 16 * $1, 16 * ($1 - 8) + 3) }
        return finished(begun &+ end)
    }

    private static func long(_ bytes: [UInt8]) -> UInt64 {
        var sums = [small3, prime1, prime2, prime3, prime4, small2, prime5, small1]
        func add(_ place: Int, _ secretPlace: Int) {
            for lane in 0..<8 {
                let value = word(bytes, place + 8 * lane)
                let key = value ^ word(secret, secretPlace + 8 * lane)
                sums[lane ^ 1] &+= value
                sums[lane] &+= (key & 0xFFFF_FFFF) &* (key >> 32)
            }
        }
        let stripes = (bytes.count - 1) / 64
        for stripe in 0..<stripes {
            add(64 * stripe, 8 * (stripe % 16))
            guard stripe % 16 == 15 else { continue }
            for lane in 0..<8 { sums[lane] = (sums[lane] ^ sums[lane] >> 47 ^ word(secret, 128 + 8 * lane)) &* small1 }
        }
        add(bytes.count - 64, 121)
        return finished(
            (0..<4).reduce(UInt64(bytes.count) &* prime1) {
                $0 &+ folded(sums[2 * $1] ^ word(secret, 11 + 16 * $1), sums[2 * $1 + 1] ^ word(secret, 19 + 16 * $1))
            })
    }
}
