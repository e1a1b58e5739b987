/// How many backups stay, of each kind of period.
package struct PruningPolicy: Sendable, Hashable {
    /// The newest ones.
    package var last: Int
    /// The newest of a day, for so many days that have one.
    package var daily: Int
    /// The newest of a week (Monday to Sunday).
    package var weekly: Int
    /// The newest of a month.
    package var monthly: Int
    /// The newest of a year.
    package var yearly: Int

    /// What holds when the configuration does not say.
    package static let standard = PruningPolicy(last: 3, daily: 7, weekly: 4, monthly: 6, yearly: 0)

    /// A policy by its numbers.
    package init(last: Int = 0, daily: Int = 0, weekly: Int = 0, monthly: Int = 0, yearly: Int = 0) {
        self.last = last
        self.daily = daily
        self.weekly = weekly
        self.monthly = monthly
        self.yearly = yearly
    }

    /// Whether it asks for nothing to stay, which nobody means.
    package var keepsNothing: Bool { last + daily + weekly + monthly + yearly == 0 }
}
