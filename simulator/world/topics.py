"""What people write about: the words of each topic. The last topics are of later, and no model has learnt them."""

KNOWN: dict[str, str] = {
    "shoes": "sneakers boots sandals leather laces running trail heels size waterproof slippers insoles",
    "travel": "flight hotel luggage beach island train ticket passport cheap weekend city hostel",
    "garden": "seeds tomato soil hose lawn mower roses pots compost fence hedge spade",
    "phones": "charger screen battery case unlocked camera sim android headset cracked dual cable",
    "kitchen": "knife pan oven blender toaster kettle recipe spices skillet mixer scale apron",
    "books": "novel thriller author paperback series chapter poetry history crime biography signed edition",
    "fitness": "dumbbell yoga mat protein treadmill bike gloves weights stretch gym rower plan",
    "music": "guitar strings vinyl piano speaker amplifier drum concert album microphone tuner pedal",
    "babies": "stroller diapers crib bottle pacifier blanket monitor carrier toddler wipes teether bib",
    "pets": "dog cat leash litter kibble aquarium collar parrot hamster treats vet cage",
    "office": "printer paper desk chair stapler folder toner monitor pens lamp calendar shredder",
    "games": "console controller puzzle board dice strategy racing multiplayer cards chess headset quest",
    "cars": "tires brake wiper oil dashcam seat roof rack wax towing battery filter",
    "beauty": "lipstick shampoo serum sunscreen perfume razor cream mascara brush polish curls mask",
    "tools": "drill hammer screws saw ladder wrench sandpaper glue level clamp bits toolbox",
    "gifts": "birthday wedding card ribbon mug engraved candle wrapping flowers anniversary basket surprise",
}
LATER: dict[str, str] = {
    "drones": "quadcopter gimbal propeller firmware payload airspace geofence hover telemetry brushless rotor pilot",
    "sourdough": "levain banneton ferment crumb hydration autolyse scoring starter rye proofing crust lame",
    "solar": "inverter photovoltaic kilowatt feedin microgrid rooftop tracker wattage panels offgrid busbar optimizer",
    "padel": "racquet smash lob volley bandeja clay overgrip tournament umpire backhand serve deuce",
}
COMMON = "best new buy for with near me used sale how to good small big red black set kids today free"
