import Glibc

/// Walks over name-value pairs (FastCGI Specification 1.0, section 3.4) that may be cut anywhere by records.
///
/// A claim beyond the limit ends here before its bytes arrive. So do a NUL byte and an `=` in a name, which no web server sends and which
/// other readers of the same bytes, with C strings of `NAME=value`, would understand otherwise.
struct ParameterWalk {
    private enum Step { case nameLength, valueLength, name, value }

    private var step = Step.nameLength
    private var pendingLengthBytes = 0
    private var nameLeft = 0
    private var valueLeft = 0
    private var pairs = 0
    private var total = 0
    private let byteLimit: Int
    private let pairLimit: Int

    init(byteLimit: Int, pairLimit: Int) {
        self.byteLimit = byteLimit
        self.pairLimit = pairLimit
    }

    /// No pair is half-read.
    var isBetweenPairs: Bool { step == .nameLength && pendingLengthBytes == 0 }

    mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
        total += bytes.count
        guard total <= byteLimit else { throw .parametersTooLarge }
        var position = 0
        while position < bytes.count {
            switch step {
            case .nameLength:
                guard Self.complete(&nameLeft, &pendingLengthBytes, with: bytes[position]) else {
                    position += 1
                    continue
                }
                guard nameLeft > 0 else { throw .parameters }
                step = .valueLength
                position += 1
            case .valueLength:
                guard Self.complete(&valueLeft, &pendingLengthBytes, with: bytes[position]) else {
                    position += 1
                    continue
                }
                guard nameLeft + valueLeft <= byteLimit - total + bytes.count - position else { throw .parametersTooLarge }
                step = .name
                position += 1
            case .name:
                let part = try Self.part(of: bytes, from: position, length: nameLeft, refusing: 0x3d)
                position += part
                nameLeft -= part
                if nameLeft == 0 { try beginValue() }
            case .value:
                let part = try Self.part(of: bytes, from: position, length: valueLeft, refusing: 0)
                position += part
                valueLeft -= part
                if valueLeft == 0 { step = .nameLength }
            }
        }
    }

    /// One byte of a length of one or four bytes; true when the length is complete.
    private static func complete(_ length: inout Int, _ pending: inout Int, with byte: UInt8) -> Bool {
        if pending > 0 {
            length = length << 8 | Int(byte)
            pending -= 1
        } else if byte & 0x80 != 0 {
            length = Int(byte & 0x7f)
            pending = 3
        } else {
            length = Int(byte)
        }
        return pending == 0
    }

    private mutating func beginValue() throws(Fault) {
        pairs += 1
        guard pairs <= pairLimit else { throw .parametersTooLarge }
        step = valueLeft == 0 ? .nameLength : .value
    }

    /// How much of a name or value is in this piece. It must hold no NUL and no refused byte.
    private static func part(
        of bytes: UnsafeRawBufferPointer, from position: Int, length: Int, refusing refused: CInt
    ) throws(Fault) -> Int {
        let count = min(length, bytes.count - position)
        guard let start = bytes.baseAddress.map({ $0 + position }) else { return count }
        if memchr(start, 0, count) != nil || refused != 0 && memchr(start, refused, count) != nil { throw .parameters }
        return count
    }
}
