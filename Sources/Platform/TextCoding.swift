/// Bytes as hexadecimal digits (RFC 4648, section 8).
public enum Hexadecimal {
    private static let lowerCase = Array("0123456789abcdef".utf8)
    private static let upperCase = Array("0123456789ABCDEF".utf8)

    /// In lower case.
    public static func text(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.flatMap { [lowerCase[Int($0 >> 4)], lowerCase[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Appends 16 digits in lower case.
    public static func append(_ word: UInt64, to bytes: inout [UInt8]) {
        let halves = (digits(of: UInt32(word >> 32)), digits(of: UInt32(truncatingIfNeeded: word)))
        withUnsafeBytes(of: halves) { bytes.append(contentsOf: $0) }
    }

    /// Eight at once, since every answer has a tag: a byte for each half byte, in the order in which they are written.
    private static func digits(of half: UInt32) -> UInt64 {
        var digits = UInt64(half.byteSwapped)
        digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF
        digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF
        digits = (digits >> 4 | digits << 8) & 0x0F0F_0F0F_0F0F_0F0F
        // 1 where the digit is a letter, which are 39 further on.
        let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (digits + 0x3030_3030_3030_3030 + letters * 39).littleEndian
    }

    /// Appends two digits in upper case.
    static func append(upperCase byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(upperCase[Int(byte >> 4)])
        bytes.append(upperCase[Int(byte & 15)])
    }

    /// What a digit of either case stands for; nil for what is none.
    public static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46, 0x61...0x66: (digit & 0xDF) - 0x41 + 10
        default: nil
        }
    }
}

/// base64url without padding (RFC 4648, section 5; RFC 7515, section 2).
public enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xff, count: 256)
        for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        return values
    }()

    public static func encode(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        var bits: UInt32 = 0
        var held = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            held += 8
            while held >= 6 {
                held -= 6
                output.append(alphabet[Int(bits >> UInt32(held) & 63)])
            }
        }
        if held > 0 { output.append(alphabet[Int(bits << UInt32(6 - held) & 63)]) }
        return output
    }

    /// Exact: no foreign letters, no padding, no bits set beyond the last byte. nil otherwise.
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 != 1 else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(text.count * 3 / 4)
        var bits: UInt32 = 0
        var held = 0
        for letter in text {
            let value = values[Int(letter)]
            guard value != 0xff else { return nil }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                output.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
            }
        }
        return bits & (1 << UInt32(held) - 1) == 0 ? output : nil
    }
}

/// Names that nobody can guess, from the system's secure random source (getrandom(2)).
public enum RandomName {
    /// A version 4 UUID in lower case (RFC 9562, section 5.4).
    public static func uuid() -> String {
        var bytes = self.bytes(16)
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        let digits = Array(Hexadecimal.text(bytes))
        return [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]].map { String($0) }.joined(separator: "-")
    }

    /// Letters of base64url with so many random bits: 22 for 128.
    public static func letters(bits: Int) -> String {
        String(decoding: Base64URL.encode(bytes((bits + 7) / 8)).prefix((bits + 5) / 6), as: UTF8.self)
    }

    /// Capital letters and digits that are not taken for one another, five random bits each: to be read out and typed in.
    public static func legible(_ count: Int) -> String {
        let signs = Array("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
        return String(bytes(count).map { signs[Int($0) % signs.count] })
    }

    /// Hexadecimal digits in lower case with so many random bits, a multiple of eight: 32 for 128.
    public static func digits(bits: Int) -> String { Hexadecimal.text(bytes(bits / 8)) }

    private static func bytes(_ count: Int) -> [UInt8] {
        var source = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &source) }
    }
}

/// Percent-encoding of URLs (RFC 3986, section 2.1) and of what forms and queries make of it.
public enum PercentEncoding {
    /// The text in UTF-8, each byte that is not unreserved (section 2.3: letters, digits, `-._~`) as `%XX`.
    /// - Parameter also: more ASCII characters that stay: `/` in paths, `,` where the Web API's examples have it.
    public static func encode(_ text: String, keeping also: String = "") -> String { encode(text.utf8, keeping: also) }

    /// The same of bytes that need be no text.
    public static func encode(_ text: some Collection<UInt8>, keeping also: String = "") -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        for byte in text {
            if isUnreserved(byte) || byte < 0x80 && also.utf8.contains(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                Hexadecimal.append(upperCase: byte, to: &bytes)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text that was encoded; nil where a percent sign has not two hexadecimal digits after it, or the bytes are no UTF-8.
    ///
    /// Who would rather have something than nothing takes the text as it is then (`?? text`).
    /// - Parameter plusIsSpace: as in queries and forms (WHATWG URL, `application/x-www-form-urlencoded`).
    public static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        bytes(text.utf8, plusIsSpace: plusIsSpace).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The bytes that were encoded, which need be no text; nil where a percent sign has not two hexadecimal digits after it.
    public static func bytes(_ text: some Collection<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(Hexadecimal.value), let low = rest.next().flatMap(Hexadecimal.value) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
        default: false
        }
    }
}

extension String {
    /// Equal byte for byte. Swift's `==` also equates different spellings of one character, which swingmusic and SQLite do not.
    public func isSpelled(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    /// A name as hosts may have it that share a store: letters, digits and `.-_`, 64 at most.
    public var isHostName: Bool {
        (1...64).contains(utf8.count)
            && utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F
            }
    }
}
