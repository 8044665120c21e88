/// What DragonflyDB keeps under a key: an entry, the `cache.db` it is of, and the era in which it was known to be the
/// record's. A header of 48 bytes, little-endian, and the value:
///
///     "SFC1"  length of the value (UInt32)  epoch  version  storedAt  expiresAt  era (Int64 each)
struct Copy: Sendable, Equatable {
    var entry: Entry
    var epoch: Int64
    var era: UInt64

    static let headerBytes = 48
    private static let magic: UInt32 = 0x3143_4653

    /// nil for whatever is not such a copy: another program's value, a cut one.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let head = Head(bytes), bytes.count == Self.headerBytes + head.length else { return nil }
        let value = [UInt8](UnsafeRawBufferPointer(rebasing: bytes[Self.headerBytes...]))
        entry = Entry(
            value: value, version: head.seal.version, storedAt: head.seal.storedAt, expiresAt: head.seal.expiresAt)
        (epoch, era) = (head.epoch, head.era)
    }

    init(entry: Entry, epoch: Int64, era: UInt64) {
        self.entry = entry
        self.epoch = epoch
        self.era = era
    }

    /// The header alone: which copy lies there is known without its value.
    struct Head: Equatable {
        var length: Int
        var epoch: Int64
        var seal: Seal
        var era: UInt64

        init?(_ bytes: UnsafeRawBufferPointer) {
            guard bytes.count >= headerBytes, Self.number(bytes, 0, as: UInt32.self) == magic else { return nil }
            length = Int(Self.number(bytes, 4, as: UInt32.self))
            epoch = Self.number(bytes, 8, as: Int64.self)
            seal = Seal(
                version: Self.number(bytes, 16, as: Int64.self), storedAt: Self.number(bytes, 24, as: Int64.self),
                expiresAt: Self.number(bytes, 32, as: Int64.self))
            era = Self.number(bytes, 40, as: UInt64.self)
        }

        private static func number<Number: FixedWidthInteger>(
            _ bytes: UnsafeRawBufferPointer, _ offset: Int, as: Number.Type
        ) -> Number {
            Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
        }
    }

    func append(to bytes: inout [UInt8]) {
        func append<Number: FixedWidthInteger>(_ number: Number) {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(Self.magic)
        append(UInt32(entry.value.count))
        append(epoch)
        append(entry.version)
        append(entry.storedAt)
        append(entry.expiresAt)
        append(era)
        bytes.append(contentsOf: entry.value)
    }

    var size: Int { Self.headerBytes + entry.value.count }
}
