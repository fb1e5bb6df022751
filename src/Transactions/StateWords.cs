using System.Text.Json;

namespace Jobs.Transactions;

/// <summary>States as the tables have them: the words of the enums, with a small first letter.</summary>
internal static class StateWords
{
    public static string Of<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    public static T Read<T>(string word)
        where T : struct, Enum => Enum.Parse<T>(word, ignoreCase: true);
}
