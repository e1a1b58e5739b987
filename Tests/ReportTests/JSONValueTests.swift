import Foundation
import Report
import Testing

@Suite("JSON values")
struct JSONValueTests {
    static let texts = [
        "", "plain", "\"quoted\"", "back\\slash", "line\nfeed\r\n\ttab", "\u{0}\u{1}\u{1F}\u{7F}", "\u{1B}[2J", "Grüße, 日本語, 🐘",
        "e\u{301}", "\u{2028}\u{2029}", "</script>",
    ]

    @Test("any text is read back as it was, as a value and as a key", arguments: texts)
    func roundTrip(_ text: String) throws {
        let json = JSONValue.object([(text, .text(text))]).text
        let read = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: String])
        #expect(Array(try #require(read.first).key.unicodeScalars) == Array(text.unicodeScalars))
        #expect(Array(try #require(read.first).value.unicodeScalars) == Array(text.unicodeScalars))
        #expect(!json.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
    }

    @Test("an object keeps the order of its keys, and what has no value is null")
    func order() {
        let value = JSONValue.object([
            ("z", .optional(nil as String?)), ("a", .integer(1)), ("list", .array([])), ("object", .object([])),
            ("yes", .boolean(true)),
        ])
        #expect(
            value.text == """
                {
                  "z": null,
                  "a": 1,
                  "list": [],
                  "object": {},
                  "yes": true
                }
                """)
    }

    @Test(
        "a duration is a number of seconds, and what is no number is null",
        arguments: [
            (JSONValue.seconds(.milliseconds(1500)), "1.5"), (.seconds(.zero), "0.0"), (.seconds(.microseconds(-1)), "-1e-06"),
            (.number(.infinity), "null"), (.number(.nan), "null"), (.integer(Int64.max), "9223372036854775807"),
        ])
    func numbers(_ value: JSONValue, _ text: String) {
        #expect(value.text == text)
    }
}
