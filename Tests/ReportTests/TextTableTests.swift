import Report
import Testing

@Suite("Text tables")
struct TextTableTests {
    @Test("columns are as wide as what is in them, and no line ends in blanks")
    func aligned() {
        var table = TextTable(["NAME", "SIZE", "WHAT"], rightAligned: [1])
        table.add(["a", "1 B", ""])
        table.add(["日本", "1,000 B", "x"])
        #expect(
            table.text == """
                NAME     SIZE  WHAT
                a         1 B
                日本    1,000 B  x

                """)
    }

    @Test("a name cannot break the line or reach the terminal as a command")
    func controls() {
        var table = TextTable(["NAME"])
        table.add(["two\nlines\r\n\u{1B}[2J\u{7}"])
        #expect(table.text == "NAME\ntwo lines  \u{FFFD}[2J\u{FFFD}\n")
    }
}
