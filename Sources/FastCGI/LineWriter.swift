/// Writes short text into memory that somebody else has, without allocating. What does not fit is left out.
struct LineWriter {
    private let memory: UnsafeMutableRawBufferPointer
    private var count = 0

    init(_ memory: UnsafeMutableRawBufferPointer) {
        self.memory = memory
    }

    var written: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

    mutating func clear() { count = 0 }

    mutating func write(_ text: StaticString) {
        text.withUTF8Buffer { bytes in
            guard count + bytes.count <= memory.count else { return }
            UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: UnsafeRawBufferPointer(bytes))
            count += bytes.count
        }
    }

    /// Decimal digits.
    mutating func write(_ number: Int) {
        var rest = number.magnitude
        var divisor: UInt = 1
        while rest / divisor >= 10 { divisor *= 10 }
        while divisor > 0, count < memory.count {
            memory[count] = UInt8(0x30 + rest / divisor)
            rest %= divisor
            divisor /= 10
            count += 1
        }
    }
}
