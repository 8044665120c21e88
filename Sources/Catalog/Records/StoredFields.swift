/// What a record lacks of the fields that development mode removed, as it is stored behind the record's body: numbers as white space, which is
/// no part of the body. So nobody has to read a record's JSON again to fill it, in whichever tier it is found.
///
/// A worker of before takes the white space for the end of the JSON text, where it may stand (RFC 8259, section 2): during an upgrade, and after
/// a way back, all of them read each other's records.
///
/// Shape, each byte as four signs: for every place, ascending, its distance from the one before, shifted by 5, with the member below it
/// (unsigned LEB128); the form of the members; `pageEnd`; the number of the places' bytes (UInt16, little-endian).
struct StoredFields: Equatable {
    /// As in `RemovedFields`: offset into the body, shifted by 8, and the member; ascending.
    var words: [UInt64]
    /// Which members there are, and what they mean: of another form nothing is known.
    var form: UInt8
    /// How many bytes of the body follow from where an empty page is put in; 0: nowhere.
    var pageEnd: Int

    init(words: [UInt64], form: UInt8, pageEnd: Int) { (self.words, self.form, self.pageEnd) = (words, form, pageEnd) }

    private static let memberBits: UInt64 = 5
    private static let trailer = 4
    private static let signsOfByte = 4

    // MARK: Writing

    /// Appends the white space. Nothing where there is more of it than has room: then it is found out when the record is read.
    /// - Returns: whether it did.
    func append(to bytes: inout [UInt8]) -> Bool {
        var places: [UInt8] = []
        var before: UInt64 = 0
        for word in words {
            let (offset, member) = (word >> 8, word & 0xFF)
            guard offset >= before, member < 1 << Self.memberBits else { return false }
            var number = (offset - before) << Self.memberBits | member
            before = offset
            while number >= 0x80 {
                places.append(UInt8(truncatingIfNeeded: number) | 0x80)
                number >>= 7
            }
            places.append(UInt8(number))
        }
        guard places.count <= UInt16.max, let page = UInt8(exactly: pageEnd) else { return false }
        for byte in places + [form, page, UInt8(places.count & 0xFF), UInt8(places.count >> 8)] { Self.append(byte, to: &bytes) }
        return true
    }

    /// The lowest two bits first.
    private static func append(_ byte: UInt8, to bytes: inout [UInt8]) {
        for shift in [0, 2, 4, 6] as [UInt8] { bytes.append(signs[Int(byte >> shift & 3)]) }
    }

    private static let signs: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]

    // MARK: Reading

    /// How many bytes of white space end a stored form that has it.
    static func length(endOf bytes: UnsafeRawBufferPointer) -> Int {
        guard bytes.count >= trailer * signsOfByte else { return 0 }
        let count = Int(byte(bytes, bytes.count - 8)) | Int(byte(bytes, bytes.count - 4)) << 8
        return (trailer + count) * signsOfByte
    }

    /// Whether the white space at the end of a stored form that has it says that nothing is lacking of a form of members.
    static func areNone(endOf bytes: UnsafeRawBufferPointer, form: UInt8) -> Bool {
        guard length(endOf: bytes) == trailer * signsOfByte else { return false }
        let end = bytes.count - trailer * signsOfByte
        return byte(bytes, end) == form && byte(bytes, end + signsOfByte) == 0
    }

    /// Reads the white space at the end of a stored form that has it, behind a body of so many bytes; nil where it does not fit that body.
    init?(endOf bytes: UnsafeRawBufferPointer, bodyCount: Int) {
        guard var places = Places(endOf: bytes, bodyCount: bodyCount) else { return nil }
        (form, pageEnd, words) = (places.form, places.pageEnd, [])
        words.reserveCapacity(places.mostCount)
        while let place = places.next() { words.append(UInt64(place.offset) << 8 | UInt64(place.member)) }
        guard places.isSound else { return nil }
    }

    /// The places one after the other, without an array: a hit from a store reads them each time.
    struct Places {
        let form: UInt8
        let pageEnd: Int
        /// False once there was one that is not in the body.
        private(set) var isSound = true
        private let bytes: UnsafeRawBufferPointer
        private let bodyCount: Int
        private let end: Int
        private var at: Int
        private var offset = 0

        /// nil where the white space does not fit a body of so many bytes.
        /// - Parameter bytes: a stored form that has it, which stays where it is for as long as this is used.
        init?(endOf bytes: UnsafeRawBufferPointer, bodyCount: Int) {
            end = bytes.count - trailer * signsOfByte
            at = bytes.count - length(endOf: bytes)
            guard at >= 0, at <= end else { return nil }
            form = byte(bytes, end)
            pageEnd = Int(byte(bytes, end + signsOfByte))
            guard pageEnd <= bodyCount else { return nil }
            self.bytes = bytes
            self.bodyCount = bodyCount
        }

        /// Each has a byte at least.
        var mostCount: Int { (end - at) / signsOfByte }

        /// nil at the end, and where one is not in the body.
        @inline(__always)
        mutating func next() -> (offset: Int, member: UInt8)? {
            guard at < end, isSound else { return nil }
            var (number, shift): (UInt64, UInt64) = (0, 0)
            var byte: UInt8
            repeat {
                byte = StoredFields.byte(bytes, at)
                number |= UInt64(byte & 0x7F) << shift
                shift += 7
                at += signsOfByte
            } while byte & 0x80 != 0 && at < end && shift < 42
            offset += Int(number >> memberBits)
            isSound = offset <= bodyCount
            return isSound ? (offset, UInt8(number & (1 << memberBits - 1))) : nil
        }
    }

    /// Four signs at once. Of each the two lowest bits are its number, but for CR, whose third one makes it a 3.
    private static func byte(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt8 {
        var signs = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)) & 0x0707_0707
        signs -= (signs >> 1) & 0x0202_0202
        return UInt8(truncatingIfNeeded: signs | signs >> 6 | signs >> 12 | signs >> 18)
    }
}
