"""How a setting's range is checked."""


def require(condition: bool, name: str, value: object, rule: str) -> None:
    """ValueError naming the setting, its value and the rule, unless `condition` holds."""
    if not condition:
        raise ValueError(f"{name} = {value!r} {rule}")
