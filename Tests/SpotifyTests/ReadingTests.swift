import CLibCurl
import Platform
import Testing

@testable import Spotify

@Suite struct ReadingTests {
    /// Whether a 200 with this body is an answer.
    private func isTaken(_ body: [UInt8]) -> Bool {
        let ending = Ending(
            stage: .sent(at: MonotonicTime(nanoseconds: 1)), code: CURLE_OK, words: "", status: 200, body: body, overflowed: false,
            retryAfter: nil, endedAt: MonotonicTime(nanoseconds: 2))
        return ending.callResult == .answer(SpotifyAnswer(status: 200, body: body, elapsed: .nanoseconds(1)))
    }

    @Test(
        "complete JSON is recognised",
        arguments: [
            "{}", "[]", " {\"a\" : [1, -0.5e+10, 1E3, true, false, null, \"\\u00e9\\n\\\"\", {}] }\r\n\t", "[[[]],{}]", "{\"é\":\"夜 🔥\"}",
            "[0]",
            "[0.5,-1]", "{\"a\":{\"b\":[{\"c\":[]}]},\"d\":[]}",
        ])
    func complete(text: String) { #expect(isTaken(Array(text.utf8))) }

    @Test(
        "anything less is not",
        arguments: [
            "", " ", "{", "[", "{\"a\":1", "{\"a\":1}}", "{\"a\":1} x", "{\"a\"}", "{a:1}", "{\"a\":1,}", "[1,]", "[,1]", "[1 2]", "[01]",
            "[1.]",
            "[.5]", "[+1]", "[1e]", "[-]", "[tru]", "[nul", "[\"\\x\"]", "[\"\\u12g4\"]", "[\"a\nb\"]", "[\"a]", "null", "\"a\"", "1", "[}",
            "{]",
            "<html></html>", "[NaN]", "['a']", "[1]\0", "\u{feff}{}", "{\"a\":}", "{,}", "{\"a\" 1}", "[\"\\", "[{]}",
        ])
    func incomplete(text: String) { #expect(!isTaken(Array(text.utf8))) }

    @Test("every cut of a record shows, and so do bytes that are no UTF-8 and nesting without end")
    func cuts() {
        let record = Array(#"{"id":"é","list":[1,2.5,{"x":null}],"ok":true}"#.utf8)
        for length in 0..<record.count { #expect(!isTaken(Array(record[..<length]))) }
        #expect(isTaken(record))
        #expect(!isTaken([0x5b, 0x22, 0xff, 0x22, 0x5d]))
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000) + [UInt8](repeating: UInt8(ascii: "]"), count: 100_000)
        #expect(!isTaken(deep))
        #expect(isTaken(Array(deep[99_900..<100_100])))
    }

    @Test(
        "an error is read in the form of the Web API and in that of the accounts service, and in no other",
        arguments: [
            (#"{"error":{"status":404,"message":"no","reason":"X"}}"#, "no", "X", nil), (#"{"error":{}}"#, "", nil, nil),
            (#"{"error":{"message":null,"reason":null}}"#, "", nil, nil),
            (#"{"error":"invalid_client","error_description":"words"}"#, "words", nil, "invalid_client"),
            (#"{"error":"invalid_client","error_description":null}"#, "", nil, "invalid_client"),
            (#"{"error":{"message":"a","message":"b"}}"#, "a", nil, nil),
        ] as [(String, String, String?, String?)])
    func errors(body: String, message: String, reason: String?, code: String?) throws {
        let error = try #require(ErrorBody(Array(body.utf8)))
        #expect(error.message == message && error.reason == reason && error.code == code)
    }

    @Test(
        "what is no such error is none",
        arguments: [
            "", "{}", "[]", "null", "x", #"{"error":null}"#, #"{"error":1}"#, #"{"error":[]}"#, #"{"error":{"message":1}}"#,
            #"{"error":{"message":"a","reason":{}}}"#, #"{"error":"a","error_description":1}"#, #"{"message":"a"}"#, #"{"error":{}"#,
        ])
    func noErrors(body: String) { #expect(ErrorBody(Array(body.utf8)) == nil) }

    @Test("a token's life is a number, however it is written")
    func life() {
        for life in ["3600", "3600.0", "3.6e3"] {
            let body = #"{"access_token":"ab","token_type":"Bearer","expires_in":\#(life)}"#
            #expect(AccessToken(answer: Array(body.utf8)) == AccessToken(token: "ab", expiresIn: .seconds(3600)))
        }
        for life in ["0", "-1", "\"3600\"", "null", "true", "1e999"] {
            #expect(AccessToken(answer: Array(#"{"access_token":"ab","expires_in":\#(life)}"#.utf8)) == nil)
        }
    }

    @Test(
        "Retry-After is read as seconds or as a date",
        arguments: [
            ("Retry-After: 30\r\n", 30), ("retry-after:0", 0), ("RETRY-AFTER:  86400 \r\n", 86_400), ("Retry-After: 1.2", 2),
            ("Retry-After: 99999999999999999999999", 366 * 86_400), ("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", 37),
            ("Retry-After: Sun, 06 Nov 1994 08:48:00 GMT", 0), ("Retry-After: ", nil), ("Retry-After: soon", nil), ("Retry-After: -5", nil),
            ("X-Retry-After: 30", nil), ("Retry-After", nil), ("HTTP/1.1 429 Too Many Requests", nil),
        ] as [(String, Int?)])
    func retryAfter(line: String, seconds: Int?) {
        let now = WallTime(milliseconds: 784_111_740_000)  // Sun, 06 Nov 1994 08:49:00 GMT
        #expect(RetryAfter.read(line: line, now: now) == seconds.map { .seconds($0) })
    }

    @Test("a 429 counts although its body was cut")
    func cutLimit() {
        let ending = Ending(
            stage: .sent(at: MonotonicTime(nanoseconds: 1)), code: CURLE_PARTIAL_FILE, words: "", status: 429, body: [], overflowed: false,
            retryAfter: .seconds(9),
            endedAt: MonotonicTime(nanoseconds: 2))
        #expect(ending.callResult == .failure(.rateLimited(retryAfter: .seconds(9), quotaExceeded: false)))
    }
}
