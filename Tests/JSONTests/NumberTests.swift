import Testing

@testable import JSON

@Suite("Numbers") struct NumberTests {
    @Test(
        "a whole number is one however it is written",
        arguments: [
            ("0", 0), ("-0", 0), ("-0.0", 0), ("0e99999999999999999999", 0), ("204053", 204_053), ("204053.0", 204_053),
            ("4.9E7", 49_000_000),
            ("-12.5e1", -125), ("1200e-2", 12), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9.223372036854775807E+18", .max),
            ("1e18", 1_000_000_000_000_000_000), ("100000000000000000000000000e-20", 1_000_000),
        ] as [(String, Int)])
    func whole(text: String, value: Int) {
        #expect(JSONNumber.whole(text.utf8) == value)
        #expect(JSONValue.number(text).integer == Int64(value))
    }

    @Test(
        "a fraction, what is beyond 64 bits, and what is no JSON number are none",
        arguments: [
            "0.5", "1e-1", "9223372036854775808", "-9223372036854775809", "1e19", "1e400", "1e99999999999999999999", "01", "+1", "1.", ".5",
            "",
            "-", "1e", "0x10", "1_000", " 1", "NaN", "1e-99999999999999999999",
        ])
    func noWhole(text: String) { #expect(JSONNumber.whole(text.utf8, as: Int64.self) == nil) }

    @Test("a smaller type has its own bounds")
    func bounds() {
        #expect(JSONNumber.whole("255".utf8, as: UInt8.self) == 255)
        #expect(JSONNumber.whole("256".utf8, as: UInt8.self) == nil)
        #expect(JSONNumber.whole("-1".utf8, as: UInt8.self) == nil)
        #expect(JSONNumber.whole("-128".utf8, as: Int8.self) == -128)
    }

    @Test("every 64-bit number is read back from its digits, with zeros behind the point and with an exponent")
    func roundTrip() {
        var random = Seeded(4)
        for _ in 0..<2000 {
            let value = Int64(truncatingIfNeeded: random.next()) >> Int64(random.next() % 64)
            for text in ["\(value)", "\(value).000", "\(value)e0", "\(value).0e+0"] + (value == 0 ? [] : ["\(value)00e-2"]) {
                #expect(JSONNumber.whole(text.utf8, as: Int64.self) == value, "\(text)")
            }
        }
    }

    @Test("a Double is read and written as the shortest text that gives it back, and without a fraction of zero")
    func double() throws {
        for (value, text) in [(1.0, "1"), (0.5, "0.5"), (-2.25, "-2.25"), (1e300, "1e+300"), (0, "0")] as [(Double, String)] {
            #expect(JSONNumber.text(value) == text)
            #expect(JSONNumber.double(text.utf8) == value)
        }
        #expect(JSONNumber.text(.infinity) == nil && JSONNumber.text(.nan) == nil)
        #expect(
            JSONNumber.double("1e999".utf8) == .infinity && JSONNumber.double("inf".utf8) == nil && JSONNumber.double("0x1p3".utf8) == nil)
        #expect(JSONValue.double(.nan) == .null && JSONValue.double(3) == .number("3"))
    }
}
